"""What an operator sees of a server in trouble: a loop that stands still, a disk that is full, a stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.system.client import Client
from tests.system.server import ROOT, Server
from tests.system.test_metrics import scraped

_CANARY = "canary-5b1e"


def lines(server: Server, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_a_handler_that_burns_is_seen_within_two_seconds(tmp_path: Path) -> None:
    """F5: 10 s of processor time; the log names who it is while it lasts, the metrics afterwards."""
    with Server(tmp_path) as server:
        client = Client(server.base)
        began = time.monotonic()
        request_id = client.submit(mode="burn", context={"seconds": 10})
        while not (seen := lines(server, "loop.blocked")) and time.monotonic() - began < 9:
            time.sleep(0.02)
        noticed = time.monotonic() - began

        client.read(request_id)

        assert noticed <= 2
        assert seen[0]["over"] is False
        assert any(one.endswith(" burn") for one in seen[0]["stack"])
        over = [line for line in lines(server, "loop.blocked") if line["over"]]
        assert max(line["duration"] for line in over) >= 9
        found = scraped(server)
        assert found["assistant_loop_blocked_total"] >= 1
        assert found["assistant_loop_lag_seconds_sum"] >= 9


class Deaf(Server):
    """A server whose standard error cannot be written to: a full disk, or a pipe that nobody reads."""

    full = True

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{self._listener.fileno()}", self._app]
        with open("/dev/full", "wb") as full, self._listener as listener:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environ,
                stdout=full,
                stderr=full if self.full else subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )
        if self._process.stderr is not None:
            self._process.stderr.close()
        self.log.touch()
        return self._process


@pytest.mark.parametrize("full", [True, False], ids=["full disk", "closed pipe"])
def test_logs_that_cannot_be_written_hurt_no_request(tmp_path: Path, full: bool) -> None:
    deaf = Deaf(tmp_path)
    deaf.full = full
    with deaf as server:
        client = Client(server.base)

        answers = [client.read(client.submit(prompt=str(number))) for number in range(20)]

        assert [answer.outcome for answer in answers] == ["completed"] * 20
        assert scraped(server)["assistant_log_dropped_total"] >= 20 * 5


def test_a_drain_is_a_line(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.send(signal.SIGTERM)
        server.ended(30)

    assert [line["running"] for line in lines(server, "drain")] == [0]


def test_nothing_that_a_user_says_or_has_is_in_logs_or_metrics(tmp_path: Path) -> None:
    """The canary scan: prompt, track, context, token, user id and the scraper's token."""
    with Server(tmp_path, metrics_token=f"{_CANARY}-scraper") as server:
        client = Client(server.base, user=f"{_CANARY}-user")
        body = {"track_id": f"{_CANARY}-track", "headers": {"User-Agent": _CANARY, "Idempotency-Key": f"{_CANARY}-key"}}
        request_id = client.submit(_CANARY, context={"count": 3, "note": _CANARY}, **body)
        client.read(request_id)
        client.record(request_id)
        client.cancel(request_id)
        client.post(_CANARY, mode=f"{_CANARY}-mode")
        client.post(_CANARY * 5_000)
        requests.get(
            f"{server.base}/{_CANARY}?token={_CANARY}", headers={"Authorization": f"Bearer {_CANARY}"}, timeout=5
        )
        errors = [
            requests.post(f"{server.base}/assistant/request", data=_CANARY, headers=client.headers, timeout=5).text,
            client.post(_CANARY, mode="count", extra=_CANARY).text,
        ]
        metrics = requests.get(
            f"{server.base}/metrics", headers={"Authorization": f"Bearer {_CANARY}-scraper"}, timeout=5
        ).text
        secret = client.headers["Authorization"].removeprefix("Bearer ")

    assert "assistant_requests_total" in metrics
    for text in (server.log.read_text(), metrics, *errors):
        assert _CANARY not in text
        assert secret not in text
