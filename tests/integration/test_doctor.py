"""The doctor: each fault is planted in a set-up of files, and found; a good set-up is not spoken of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import ScriptInfo

from assistant.cli.doctor import doctor
from tests.unit.told import ROOT

_PATCH = "from gevent import monkey\nmonkey.patch_all()\n"
_APP = "from assistant import create_app\napp = create_app({'ASSISTANT_METRICS_TOKEN': 'm'})\n"
_GUNICORN = f"{_PATCH}from assistant.gunicorn import *\n"


class Place:
    """A folder with what is served and how."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        self.write("served.py", _PATCH + _APP)
        self.write("gunicorn.conf.py", _GUNICORN)

    def write(self, name: str, text: str) -> None:
        (self._folder / name).parent.mkdir(exist_ok=True)
        (self._folder / name).write_text(text)

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self._patch.setenv(name, value)

    def visit(self, *arguments: str, app: str | None = "served") -> Result:
        return CliRunner().invoke(doctor, list(arguments), obj=ScriptInfo(app_import_path=app))

    def found(self, *arguments: str) -> dict[str, Any]:
        """The findings by their codes."""
        result = self.visit("--json", *arguments)
        return {one["code"]: one for one in json.loads(result.stdout)["findings"]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in ("HOST", "PORT", "WORKERS", "GUNICORN_CMD_ARGS", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JWT_SECRET_KEY", "b7f29c04e1d83a5690cc4e1f7ab2d86355f0a91e")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield Place(tmp_path, monkeypatch)
    sys.path[:] = before


def test_a_good_set_up_is_not_spoken_of(place: Place) -> None:
    result = place.visit()

    assert (result.exit_code, result.output) == (0, "")


def test_this_repository_is_a_good_set_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    result = place.visit(app="wsgi")

    assert (result.exit_code, result.output) == (0, "")


def plant_unpatched(place: Place) -> None:
    place.write("served.py", "from assistant import create_app\napp = create_app({'ASSISTANT_UNPATCHED': True})\n")


def plant_refused(place: Place) -> None:
    place.write("served.py", "from assistant import create_app\napp = create_app()\n")


def plant_late(place: Place) -> None:
    place.write("served.py", "import flask\n" + _PATCH + _APP)


def plant_broken(place: Place) -> None:
    place.write("served.py", _PATCH + "raise RuntimeError('out of order')\n")


def plant_exit(place: Place) -> None:
    place.write("served.py", _PATCH + "import sys\nprint('assistant: no', file=sys.stderr)\nsys.exit(4)\n")


def plant_death(place: Place) -> None:
    place.write("served.py", "import os\nos._exit(3)\n")


def plant_sync(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "worker_class = 'sync'\n")


def plant_no_configuration(place: Place) -> None:
    Path("gunicorn.conf.py").unlink()


def plant_threads(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "worker_class = 'gthread'\nthreads = 8\n")


def plant_preload(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "preload_app = True\n")


def plant_keepalive(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "keepalive = 0\n")


def plant_own_hooks(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "def post_worker_init(worker): pass\n")


def plant_bad_configuration(place: Place) -> None:
    place.write("gunicorn.conf.py", "workers = 'many'\n")


def plant_psycopg2(place: Place) -> None:
    place.write("psycopg2/__init__.py", "from . import extensions\n")
    place.write("psycopg2/extensions.py", "def get_wait_callback(): return None\n")
    place.write("served.py", _PATCH + "import psycopg2\n" + _APP)


def plant_grpc(place: Place) -> None:
    place.write("grpc/__init__.py", "")
    place.write("served.py", _PATCH + "import grpc\n" + _APP)


def plant_few_connections(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "worker_connections = 1000\n")


def plant_few_descriptors(place: Place) -> None:
    place.set(ASSISTANT_MAX_STREAMS="50000000")


def plant_two_workers(place: Place) -> None:
    place.set(WORKERS="2")


def plant_short_grace(place: Place) -> None:
    place.write("gunicorn.conf.py", _GUNICORN + "graceful_timeout = 10\n")


def plant_weak_secret(place: Place) -> None:
    place.set(JWT_SECRET_KEY="the-secret-of-our-production-server-2026")  # one that the start lets pass


def plant_monotonous_secret(place: Place) -> None:
    place.set(JWT_SECRET_KEY="0123456789" * 4)


def plant_example_secret(place: Place) -> None:
    place.set(JWT_SECRET_KEY="please-change-this-secret-before-you-deploy")


def plant_open_cors(place: Place) -> None:
    place.write("served.py", _PATCH + _APP + "from flask_cors import CORS\nCORS(app)\n")


def plant_plain_origin(place: Place) -> None:
    place.set(ASSISTANT_ORIGINS="http://app.example.com")


def plant_public_guests(place: Place) -> None:
    place.set(ASSISTANT_GUESTS="1", HOST="0.0.0.0")


def plant_public_metrics(place: Place) -> None:
    place.set(HOST="::")
    place.write("served.py", _PATCH + _APP.replace("{'ASSISTANT_METRICS_TOKEN': 'm'}", ""))


FAULTS = [
    (plant_unpatched, "unpatched", "fault", "patch_all"),
    (plant_refused, "unpatched", "fault", "patch_all"),
    (plant_late, "late_patch", "fault", "flask"),
    (plant_broken, "load_failed", "fault", "out of order"),
    (plant_exit, "load_failed", "fault", "assistant: no"),
    (plant_death, "load_failed", "fault", "ends the process"),
    (plant_sync, "worker_class", "fault", "sync"),
    (plant_no_configuration, "worker_class", "fault", "sync"),
    (plant_threads, "worker_class", "fault", "gthread"),
    (plant_preload, "preload", "fault", "locks"),
    (plant_keepalive, "keepalive", "fault", "headers"),
    (plant_own_hooks, "no_drain", "warning", "post_worker_init"),
    (plant_bad_configuration, "gunicorn_config", "fault", "many"),
    (plant_psycopg2, "blocking_library", "fault", "psycopg2"),
    (plant_grpc, "blocking_library", "fault", "grpc"),
    (plant_few_connections, "worker_connections", "fault", "1000"),
    (plant_few_descriptors, "descriptors", "fault", "50000000"),
    (plant_two_workers, "memory_registry", "fault", "WORKERS=1"),
    (plant_short_grace, "graceful_timeout", "warning", "10 s"),
    (plant_weak_secret, "weak_secret", "fault", "'secret'"),
    (plant_monotonous_secret, "weak_secret", "fault", "10 different"),
    (plant_example_secret, "load_failed", "fault", "is an example"),
    (plant_open_cors, "open_cors", "fault", "any origin"),
    (plant_plain_origin, "plain_origin", "warning", "app.example.com"),
    (plant_public_guests, "public_guests", "fault", "0.0.0.0"),
    (plant_public_metrics, "public_metrics", "warning", "ASSISTANT_METRICS_TOKEN"),
]


@pytest.mark.parametrize(("plant", "code", "level", "said"), FAULTS, ids=lambda one: getattr(one, "__name__", None))
def test_a_planted_fault_is_found(place: Place, plant: Any, code: str, level: str, said: str) -> None:
    plant(place)

    result = place.visit("--json")

    report = json.loads(result.stdout)
    found = {one["code"]: one for one in report["findings"]}
    assert code in found, result.output
    assert found[code]["level"] == level
    assert said in found[code]["what"] + found[code]["remedy"]
    assert report["sound"] is (level == "warning") is (result.exit_code == 0)


def test_what_is_meant_to_be_so_may_be_ignored(place: Place) -> None:
    plant_public_guests(place)

    result = place.visit("--ignore", "public_guests")

    assert (result.exit_code, result.output) == (0, "")


def test_a_finding_is_a_line_and_its_remedy(place: Place) -> None:
    plant_two_workers(place)

    result = place.visit()

    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first.startswith("fault memory_registry: 2 workers")
    assert second.startswith("    WORKERS=1")


def test_the_page_lists_what_the_doctor_finds() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "assistant/cli/doctor").glob("*.py"))
    told = dict(re.findall(r"^\| `(\w+)`( \(warning\))? \|", (ROOT / "docs/production/doctor.md").read_text(), re.M))
    made = dict.fromkeys(re.findall(r"\.fault\(\s*\"(\w+)\"", sources), "")
    made |= dict.fromkeys(re.findall(r"\.warn\(\s*\"(\w+)\"", sources), " (warning)")

    assert told == made


def test_no_secret_is_told(place: Place) -> None:
    for plant, secret in ((plant_weak_secret, "production-server"), (plant_example_secret, "please-change")):
        plant(place)

        assert secret not in place.visit("--json").output


def test_gunicorns_arguments_count(place: Place) -> None:
    assert set(place.found("--gunicorn", "-k sync -w 3")) == {"worker_class", "memory_registry"}


def test_without_an_app_and_an_address_there_is_nothing_to_look_at(place: Place) -> None:
    Path("served.py").unlink()

    result = place.visit(app=None)

    assert result.exit_code == 2
    assert "there is no app here" in result.output


def test_an_app_that_cannot_be_loaded_is_looked_at_all_the_same(place: Place) -> None:
    """`flask assistant` comes with the app, so this one needs a way of its own."""
    plant_refused(place)

    ran = subprocess.run(
        [sys.executable, "-m", "assistant", "--app", "served", "doctor"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert ran.returncode == 1
    assert ran.stdout.startswith("fault unpatched: ")


def test_flask_assistant_doctor_is_the_same(place: Place) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "served", "assistant", "doctor", "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"sound": True, "findings": [], "skipped": []})
