"""`flask assistant ask` as people use it: in a process of its own, against a real server."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests

from tests.system.app import expected
from tests.system.client import Client, token
from tests.system.proxy import Proxy
from tests.system.server import ROOT, SECRET, Server

# Longest that one command may take; seconds.
_PATIENCE = 60


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "wsgi", "assistant", "ask", *arguments]


def environ(base: str, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "JWT_"))}
    return {**clean, "JWT_SECRET_KEY": SECRET, "ASSISTANT_URL": f"{base}/assistant", **more}


def ask(base: str, *arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=environ(base, **more), input=given, capture_output=True, text=True,
        timeout=_PATIENCE, check=False,
    )  # fmt: skip


def test_the_answer_alone_goes_to_standard_output(server: Server) -> None:
    ran = ask(server.base, "Hello", "--mode", "count", "--token", token("ann"))

    assert (ran.returncode, ran.stdout) == (0, "".join(expected("Hello", 10)))
    assert "· counting" in ran.stderr


def test_a_pipe_may_bring_the_question(server: Server) -> None:
    ran = ask(server.base, "--mode", "count", "--quiet", given="Hello", ASSISTANT_TOKEN=token("ann"))

    assert (ran.returncode, ran.stdout) == (0, "".join(expected("Hello", 10)))
    assert "counting" not in ran.stderr


def test_a_stream_that_is_cut_is_taken_up_at_its_cursor(server: Server) -> None:
    left = iter([3000, 900, 1200, 700])  # bytes of the answers to the POST and to the first streams
    with Proxy(server.port, lambda: next(left, None)) as proxy:
        ran = ask(proxy.base, "Hello", "--mode", "count", "--token", token("ann"))

    assert proxy.cuts >= 2
    assert (ran.returncode, ran.stdout) == (0, "".join(expected("Hello", 10)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Hello", "--mode", "nothing"], "mode: one of"),
        (["   "], "nothing to read"),
        (["Hello", "--token", "nonsense"], "A valid access token is needed. [unauthorized]"),
    ],
)
def test_a_refusal_is_one_line_with_the_reason(server: Server, arguments: list[str], said: str) -> None:
    ran = ask(server.base, *arguments, ASSISTANT_TOKEN=token("ann"))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_server_that_is_not_there_is_named() -> None:
    ran = ask("http://127.0.0.1:9", "Hello", "--token", "x")

    assert ran.returncode == 1
    assert "cannot reach http://127.0.0.1:9/assistant" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_address_that_is_none_is_refused() -> None:
    ran = ask("", "Hello", "--url", "example.com", "--token", "x")

    assert ran.returncode == 1
    assert "is not an address" in ran.stderr


def test_without_a_token_the_servers_guest_asks(tmp_path: Path) -> None:
    with Server(tmp_path, guests=1) as server:
        ran = ask(server.base, "Hello", "--mode", "count")

    assert (ran.returncode, ran.stdout) == (0, "".join(expected("Hello", 10)))


def test_where_no_guests_are_taken_a_token_is_asked_for(server: Server) -> None:
    ran = ask(server.base, "Hello")

    assert ran.returncode == 1
    assert "takes no guests: give --token" in ran.stderr


def test_ctrl_c_cancels_the_request_and_says_so(server: Server) -> None:
    process = started(server, "Hello", "--mode", "hold", "--token", token("ctrl-c"))
    assert process.stdout is not None
    assert process.stdout.read(7) == b"holding"

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=_PATIENCE)

    assert process.returncode == 130
    assert out == b"\n"
    assert err.decode().splitlines()[-1] == "cancelled"
    assert [one["status"] for one in requests_of(server, "ctrl-c")] == ["cancelled"]


def test_a_reader_that_has_seen_enough_cancels_too(server: Server) -> None:
    process = started(server, "x", "--mode", "chatter", "--token", token("head"))
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()

    assert process.wait(_PATIENCE) != 0
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert [one["status"] for one in requests_of(server, "head")] == ["cancelled"]


def test_what_a_model_says_moves_no_cursor_of_a_terminal(server: Server) -> None:
    """A terminal gets no escape sequence of the model's."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("x\x1b[2J", "--mode", "echo", "--token", token("ann")), cwd=ROOT, env=environ(server.base),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process.wait(_PATIENCE)
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)

    assert b"red" in shown
    assert b"\x1b" not in shown


def started(server: Server, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environ(server.base), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip


def requests_of(server: Server, user: str) -> list[dict[str, Any]]:
    headers = Client(server.base, user).headers
    until = time.monotonic() + 10
    while True:
        found: list[dict[str, Any]] = requests.get(
            f"{server.base}/assistant/requests", headers=headers, timeout=10
        ).json()["requests"]
        if all(one["status"] not in ("running", "cancelling") for one in found) or time.monotonic() > until:
            return found
        gevent.sleep(0.05)
