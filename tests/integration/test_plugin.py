"""The pytest plugin, as a team uses it: a small project of its own, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.told import ROOT

_CONFTEST = """
import pytest
from assistant import Assistant, ask, chunk
from assistant.testing import ScriptedProvider
from pydantic import BaseModel


@pytest.fixture
def assistant_extension():
    assistant = Assistant(provider=ScriptedProvider(["Hello, ", "Ann."]))

    @assistant.action("publish", wants="approval")
    class Publish(BaseModel):
        title: str

    @assistant.handler("announce")
    def announce(run):
        yield chunk(f"Published {run.request.prompt}." if (yield ask("publish", {"title": "x"})) is None else "?")

    return assistant
"""

_TESTS = """
from gevent import monkey
import threading, time


def test_everything_is_patched():
    assert monkey.is_module_patched("threading") and monkey.is_module_patched("ssl")


def test_a_built_in_mode(assistant_client):
    answer = assistant_client.ask("Hi")
    assert (answer.text, answer.outcome) == ("Hello, Ann.", "completed")
    assert assistant_client.record(answer.request_id)["usage"]["output_tokens"] == 1


def test_a_mode_that_asks(assistant_client):
    request_id = assistant_client.submit("news", mode="announce")
    while not (waiting := assistant_client.record(request_id)["pending_actions"]):
        time.sleep(0.01)
    assert assistant_client.reply(request_id, waiting[0]["action_id"]).status_code == 202
    assert assistant_client.events(request_id)[-1].event == "complete"


def test_a_request_that_is_left_running_ends_with_its_test(assistant_client):
    assistant_client.submit("news", mode="announce")


def test_a_refusal_can_be_looked_at(assistant_client):
    assert assistant_client.call("POST", "/request", json={"prompt": ""}).status_code == 400


def test_the_app_is_there_too(assistant_app):
    assert assistant_app.test_client().get("/healthz").status_code == 200
"""

_SETTINGS = """
import pytest


@pytest.fixture
def assistant_config():
    return {"ASSISTANT_URL_PREFIX": "/ai", "ASSISTANT_DEADLINE": 1.0}


def test_settings_are_the_teams(assistant_client):
    assert assistant_client.ask("Hi").request_id
    assert assistant_client.web.settings.url_prefix == "/ai"


def test_a_handler_that_hangs_ends(assistant_extension, assistant_client):
    import time
    from assistant import chunk

    @assistant_extension.handler("hang")
    def hang(run):
        yield chunk("so far")
        time.sleep(3600)

    answer = assistant_client.ask("Hi", mode="hang")
    assert (answer.text, answer.outcome) == ("so far", "deadline_exceeded")
"""


def visited(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("PYTEST_XDIST_WORKER", None)
    environ.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments], cwd=folder, env=environ,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p assistant.testing.plugin\nfilterwarnings = error\n")
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    return tmp_path


def test_a_small_project_tests_its_modes(project: Path) -> None:
    (project / "test_modes.py").write_text(_TESTS)
    (project / "test_settings.py").write_text(_SETTINGS)

    ran = visited(project)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "8 passed" in ran.stdout


def test_what_the_server_refuses_fails_the_test_with_its_reason(project: Path) -> None:
    (project / "test_refused.py").write_text(
        "def test_refused(assistant_client):\n    assistant_client.ask('Hi', mode='nothing')\n"
    )

    ran = visited(project)

    assert ran.returncode == 1
    assert "400" in ran.stdout
    assert "one of: announce, chat, edit, generate" in ran.stdout


def test_the_plugin_patches_before_anything_makes_a_lock(project: Path) -> None:
    (project / "test_locks.py").write_text(
        "import logging, threading\n\n\ndef test_locks():\n    assert 'gevent' in type(threading.Lock()).__module__\n"
    )

    ran = visited(project, "-W", "error")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "MonkeyPatchWarning" not in ran.stdout + ran.stderr


def test_its_fixtures_are_told(project: Path) -> None:
    ran = visited(project, "--fixtures")

    for name in ("assistant_app", "assistant_client", "assistant_config", "assistant_extension"):
        assert name in ran.stdout
