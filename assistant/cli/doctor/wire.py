"""What is wrong on the way from the browser to the server, found out by being a browser."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

from ... import sse
from ..remote import Refused, Remote, Unreachable, blocks
from .findings import Findings
from .setup import loopback

# The mode that a server offers for this (ASSISTANT_DIAGNOSIS), and the pace of its chunks.
MODE = "doctor"
# How much later than the quickest an event may come on a busy line; what is over sooner tells nothing; seconds.
_HELD = 1.0
# Connections on which a request must be found again: a second process is missed by all of them once in a thousand times.
_LOOKS = 10
# What an answer of an unknown mode may take, and what is waited beyond a heartbeat; seconds.
_LONGEST, _SLACK = 60.0, 3.0
_ELSEWHERE = "https://elsewhere.invalid"


def examine(remote: Remote, mode: str, findings: Findings) -> None:
    """Adds what is wrong. Sends one request of `mode`, which for others than `doctor` asks the model."""
    try:
        _address(remote, findings)
        request_id = _submitted(remote, mode, findings)
        if request_id is not None:
            _instances(remote, request_id, findings)
            _Stream(remote, request_id, findings, silent=mode == MODE).examine()
    except Unreachable as problem:
        findings.fault("unreachable", str(problem), "is the server running, and is this its address?")


def _address(remote: Remote, findings: Findings) -> None:
    local = loopback(remote.host)
    if not remote.secure and not local:
        findings.fault("no_tls", f"{remote.base} has no TLS: tokens travel in the open", "https, at the proxy")
    status, headers, _ = remote.call(
        "OPTIONS", "/request", headers={"Origin": _ELSEWHERE, "Access-Control-Request-Method": "POST"}
    )
    granted = headers.get("Access-Control-Allow-Origin", "") if status < 400 else ""
    if granted in ("*", _ELSEWHERE):
        findings.fault(
            "open_cors",
            f"pages of any origin may call (Access-Control-Allow-Origin: {granted})",
            "see ASSISTANT_ORIGINS",
        )
    if not local and Remote(remote.base).guest():
        findings.fault("public_guests", "anybody gets a guest token here, and may use the model", "ASSISTANT_GUESTS=0")


def _submitted(remote: Remote, mode: str, findings: Findings) -> str | None:
    try:
        return remote.submit("What is this server?", mode)
    except Refused as no:
        if no.problem.get("code") == "invalid_request" and mode == MODE:
            findings.skip(
                f"the stream: the server has no mode {MODE} (ASSISTANT_DIAGNOSIS=1), and --mode names no other"
            )
        else:
            findings.fault("refused", f"the server refuses a request: {no}", "see --token and --mode")
        return None


def _instances(remote: Remote, request_id: str, findings: Findings) -> None:
    """Whether every connection finds the request."""
    seen = [remote.call("GET", f"/request/{request_id}") for _ in range(_LOOKS)]
    if any(status == 404 for status, _, _ in seen):
        processes = len({headers.get("Assistant-Instance") for _, headers, _ in seen})
        findings.fault(
            "memory_registry",
            f"a request is not found on every connection: {processes} processes answer, each with a registry of its own",
            "one worker, or ASSISTANT_REGISTRY=redis://...",
        )


class _Stream:
    """One stream, watched to its end. `silent` says that the answer has a pause longer than a heartbeat."""

    def __init__(self, remote: Remote, request_id: str, findings: Findings, *, silent: bool) -> None:
        self._remote = remote
        self._request_id = request_id
        self._findings = findings
        self._silent = silent
        self._arrived: list[tuple[float, float]] = []  # when the server made an event and when it was here; seconds
        self._heard = 0.0
        self._ended = False

    def examine(self) -> None:
        """Adds what is wrong."""
        connection, response = self._remote.open(
            "GET",
            f"/stream/{self._request_id}",
            headers={"Accept": sse.MIMETYPE, "Accept-Encoding": "gzip, br, deflate"},
        )
        try:
            if self._headers(connection, response):
                self._watch(response)
        finally:
            response.close()
            connection.close()
            self._done()

    def _headers(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> bool:
        if response.status != 200:
            self._findings.fault("refused", f"the stream is refused: HTTP {response.status}", "see the proxy's log")
            return False
        if encoding := response.headers.get("Content-Encoding"):
            self._findings.fault(
                "compressed",
                f"event streams are compressed ({encoding}), which holds events back",
                "no compression for text/event-stream at the proxy",
            )
            return False
        self._beat = float(response.headers.get("Assistant-Heartbeat") or 15)
        if connection.sock is not None:
            connection.sock.settimeout(self._beat + _SLACK)
        return True

    def _watch(self, response: http.client.HTTPResponse) -> None:
        self._heard, until = time.monotonic(), time.monotonic() + _LONGEST
        try:
            for message in sse.decode(self._bytes(response)):
                self._arrived.append((message.json()["ts"] / 1000, time.monotonic()))
                self._ended = message.event in ("complete", "error")
                if self._ended or time.monotonic() > until:
                    break
        except TimeoutError:
            self._findings.fault(
                "heartbeat_lost",
                f"nothing came for {self._beat + _SLACK:g} s though the server sends a heartbeat every {self._beat:g} s",
                "no buffering for this route at the proxy",
            )
            return
        except (OSError, http.client.HTTPException):
            pass
        if not self._ended:
            self._cut()
        self._spread()

    def _bytes(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        for block in blocks(response):
            self._heard = time.monotonic()
            yield block

    def _cut(self) -> None:
        silence = time.monotonic() - self._heard
        self._findings.fault(
            "idle_cut",
            f"the stream was cut after {silence:.0f} s of silence, though a heartbeat comes every {self._beat:g} s",
            f"an idle limit above {self._beat:g} s at the proxy (60 s or more), or a smaller ASSISTANT_HEARTBEAT",
        )

    def _spread(self) -> None:
        """How much later than the quickest one an event came: the two clocks need not agree."""
        if not self._arrived or self._arrived[-1][0] - self._arrived[0][0] < _HELD:
            self._findings.skip("buffering: the answer was over too quickly to tell")
            return
        delays = [came - made for made, came in self._arrived]
        held = max(delays) - min(delays)
        if held >= _HELD:
            self._findings.fault(
                "buffered",
                f"events come up to {held:.1f} s late: something on the way holds them back",
                "proxy_buffering off (nginx obeys X-Accel-Buffering unless it is told to ignore it)",
            )

    def _done(self) -> None:
        try:
            self._remote.cancel(self._request_id)
        except (Refused, Unreachable):  # it ends by itself when nobody watches
            return
