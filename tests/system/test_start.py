"""How the server starts, refuses to start, and tells about itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest
import requests

from tests.system.client import Answer, Client, token
from tests.system.server import ROOT, Server


def refusal(tmp_path: Path, app: str = "wsgi:app", **options: object) -> tuple[int, str]:
    """The exit code and the log of a server that does not come up."""
    server = Server(tmp_path, app, **options)  # type: ignore[arg-type]
    server.start()
    return server.ended(30), server.log.read_text()


def test_several_workers_over_memory_are_refused_with_a_remedy(tmp_path: Path) -> None:
    code, log = refusal(tmp_path, workers=2)

    assert code == 78
    assert "WORKERS=1" in log


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "x"), ("WORKERS", "-1"), ("PORT", "99999"), ("ASSISTANT_MAX_STREAMS", "lots"),
     ("ASSISTANT_DRAIN_TIMEOUT", "nan")],
)  # fmt: skip
def test_a_number_that_is_none_stops_the_start_in_one_line(tmp_path: Path, name: str, value: str) -> None:
    server = Server(tmp_path)
    server.environ[name] = value

    server.start()

    assert server.ended(30) == 78
    (line,) = server.log.read_text().splitlines()
    assert line.startswith(f"assistant: {name}={value!r} is not a number")


def test_the_time_to_drain_is_gunicorns_time_as_well() -> None:
    code = "from assistant import gunicorn; print(gunicorn.graceful_timeout, gunicorn.workers, gunicorn.bind)"
    environ = {**os.environ, "ASSISTANT_DRAIN_TIMEOUT": "299.5", "HOST": "127.0.0.1", "PORT": "", "WORKERS": ""}

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout == "305 1 127.0.0.1:8000\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"provider": "opnai"}, "none of demo, openai, anthropic"),
        ({"max_active": "many"}, "ASSISTANT_MAX_ACTIVE='many'"),
        ({"origins": "*"}, "ASSISTANT_ORIGINS"),
        ({"registry": "postgres://x"}, "ASSISTANT_REGISTRY"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start_in_one_line(
    tmp_path: Path, setting: dict[str, str], said: str
) -> None:
    code, log = refusal(tmp_path, **setting)

    lines = [line for line in log.splitlines() if line.startswith("assistant: ")]
    assert code != 0
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in log


def test_a_debugger_is_not_shown_to_guests_from_other_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")

    code, log = refusal(tmp_path, host="0.0.0.0", guests=1)

    lines = [line for line in log.splitlines() if line.startswith("assistant: ")]
    assert code == 4
    assert len(lines) == 1
    assert "FLASK_DEBUG" in lines[0]
    assert "Traceback" not in log


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_flask_run_shows_no_debugger_to_guests_from_other_hosts(host: str) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "run", "--debug", "--host", host, "--port", "0"]
    environ = {**os.environ, "ASSISTANT_GUESTS": "1", "JWT_SECRET_KEY": "x" * 40}

    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 4
    assert ran.stderr.splitlines()[-1].startswith("assistant: FLASK_DEBUG and ASSISTANT_GUESTS")


@pytest.mark.parametrize(("host", "guests", "debug"), [("127.0.0.1", 1, "1"), ("0.0.0.0", 0, "1"), ("0.0.0.0", 1, "0")])
def test_each_of_them_alone_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, guests: int, debug: str
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", debug)

    with Server(tmp_path, host=host, guests=guests) as running:
        assert requests.get(f"{running.base}/healthz", timeout=5).status_code == 200


def test_an_unpatched_process_is_refused_with_a_remedy() -> None:
    code = "from assistant import create_app; create_app({'JWT_SECRET_KEY': 'x' * 40})"

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.returncode != 0
    assert "monkey.patch_all()" in ran.stderr.splitlines()[-1]


def test_importing_the_package_imports_nothing_that_must_be_patched_first() -> None:
    code = "import assistant, sys; print([name for name in ('flask', 'threading', 'redis', 'openai') if name in sys.modules])"

    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert "flask" not in ran.stdout
    assert "openai" not in ran.stdout


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    code = (
        "from gevent import monkey; monkey.patch_all()\n"
        "from assistant import create_app\n"
        f"print(create_app(instance_path={str(tmp_path)!r}).config['JWT_SECRET_KEY'])"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JWT_")}

    made = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
        )
        for _ in range(2)
    ]

    assert made[0].stdout == made[1].stdout
    assert len(made[0].stdout.strip()) >= 64
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_token_that_ends_in_mid_stream_closes_it_and_a_fresh_one_resumes(server: Server) -> None:
    client = Client(server.base, "short")
    request_id = client.submit("expiry", context={"count": 60, "pause": 0.1})
    began = time.time()

    client.headers = {"Authorization": f"Bearer {token('short', 2.0)}"}
    answer = client.follow(request_id)
    lasted = time.time() - began
    client.headers = {"Authorization": f"Bearer {token('short')}"}
    client.follow(request_id, answer)

    assert answer.notices == ["closing"]
    assert lasted <= 2 + 5
    assert answer.outcome == "completed"
    assert answer.ids == [f"1-{number}" for number in range(1, 65)]


def test_it_says_that_it_is_alive_ready_and_which_process_it_is(server: Server) -> None:
    alive = requests.get(f"{server.base}/healthz", timeout=5)
    ready = requests.get(f"{server.base}/readyz", timeout=5)
    lost = requests.get(f"{server.base}/nowhere", timeout=5)

    assert (alive.status_code, ready.status_code, lost.status_code) == (200, 200, 404)
    assert lost.headers["Content-Type"] == "application/problem+json"
    assert (
        alive.headers["Assistant-Instance"] == ready.headers["Assistant-Instance"] == lost.headers["Assistant-Instance"]
    )


def test_a_cancel_stops_the_work_at_once(server: Server) -> None:
    client = Client(server.base)
    request_id = client.submit(mode="hold")
    answer = Answer()
    stream = gevent.spawn(client.follow, request_id, answer)
    with gevent.Timeout(5):
        while len(answer.messages) < 3:
            gevent.sleep(0.01)

    accepted = client.cancel(request_id)
    stream.join(5)
    again = client.cancel(request_id)

    assert (accepted.status_code, again.status_code) == (202, 200)
    assert answer.outcome == "cancelled"
    assert again.json()["status"] == "cancelled"


def test_a_soft_descriptor_limit_is_raised(server: Server) -> None:
    soft, hard = server.worker().rlimit(7)  # RLIMIT_NOFILE

    assert soft == hard
