"""Remote: a server as the command line talks to it: submit, stream by cursor, cancel, answer. Standard library only."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from .. import sse

# How long an answer other than a stream may take; seconds.
_PATIENCE = 30.0
# How many heartbeats a stream may be silent before it is taken for dead (protocol: clients).
_BEATS = 2.5
# How often in a row a stream is taken up again, and the longest pause before that; seconds.
_ATTEMPTS, _PAUSE = 8, 5.0
# What is said about one connection only and moves no cursor.
_NOTICES = frozenset({"reset", "draining", "closing"})


class Refused(Exception):
    """The server said no; `problem` is its problem+json, or what stands in for one."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server refused"))
        self.problem = problem

    @property
    def retry_after(self) -> float | None:
        """How long to wait before it is worth asking again, in seconds; None when it is not."""
        return float(self.problem.get("retry_after") or 1.0) if self.problem.get("retryable") else None


class Unreachable(Exception):
    """The server cannot be reached, or only in pieces."""


class Remote:
    """The server whose routes are below `base`, for one user."""

    def __init__(self, base: str, token: str = "") -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base!r} is not an address such as https://app.example.com/assistant")
        self.base = base.rstrip("/")
        self.host = parts.hostname
        self.secure = parts.scheme == "https"
        self.token = token
        self._netloc, self._path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        """Status, headers and body of one exchange. Raises Unreachable."""
        connection, response = self.open(method, path, body, headers)
        try:
            raw = response.read()
        except (OSError, http.client.HTTPException) as problem:
            raise self._unreachable(problem) from problem
        finally:
            connection.close()
        return response.status, response.headers, _json(raw)

    def open(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """An exchange whose body is still to be read; the caller closes the connection. Raises Unreachable."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=_PATIENCE)
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        raw = None
        if body is not None:
            raw, sent["Content-Type"] = orjson.dumps(body), "application/json"
        try:
            connection.request(method, self._path + path, raw, sent)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            raise self._unreachable(problem) from problem

    def guest(self) -> bool:
        """Becomes a guest of the server; False when it takes none. Raises Unreachable."""
        status, _, body = self.call("POST", "/session")
        if status == 201:
            self.token = body["access_token"]
        return status == 201

    def submit(self, prompt: str, mode: str) -> str:
        """The id of a new request. Raises Refused, Unreachable."""
        status, _, body = self.call("POST", "/request", {"prompt": prompt, "mode": mode})
        if status != 201:
            raise Refused(_problem(status, body))
        return str(body["request_id"])

    def cancel(self, request_id: str) -> None:
        """Stops the request; one that has ended is left as it is. Raises Refused, Unreachable."""
        status, _, body = self.call("DELETE", f"/request/{request_id}")
        if status >= 300:
            raise Refused(_problem(status, body))

    def deny(self, request_id: str, action_id: str, status: str = "denied") -> None:
        """Answers an action of the page. An answer that came first stands. Raises Unreachable."""
        self.call("POST", f"/request/{request_id}/actions/{action_id}", {"status": status})

    def events(self, request_id: str) -> Iterator[sse.Message]:
        """The events of a request and the notices, to the terminal event, over as many connections as it takes.

        Raises Refused, Unreachable.
        """
        after, failures = "", 0
        while True:
            try:
                for message in self._connection(request_id, after):
                    yield message
                    if message.event in ("complete", "error"):
                        return
                    if not is_notice(message):
                        after, failures = message.id, 0
                pause = 0.0
            except Refused as no:
                if no.retry_after is None:
                    raise
                pause = no.retry_after
            except Unreachable:
                if failures >= _ATTEMPTS:
                    raise
                pause = 0.0
            failures += 1
            if failures > _ATTEMPTS:
                raise Unreachable(f"the stream from {self.base} breaks off again and again")
            time.sleep(max(pause, min(0.1 * 2**failures, _PAUSE) * random.uniform(0.5, 1.0)))

    def _connection(self, request_id: str, after: str) -> Iterator[sse.Message]:
        headers = {"Accept": sse.MIMETYPE, **({"Last-Event-ID": after} if after else {})}
        connection, response = self.open("GET", f"/stream/{request_id}", headers=headers)
        try:
            if response.status == 204:  # the cursor is the end: nothing was missed
                raise Refused({"detail": "The request has ended.", "code": "gone"})
            if response.status != 200:
                raise Refused(_problem(response.status, _json(response.read())))
            if connection.sock is not None:
                connection.sock.settimeout(_BEATS * float(response.headers.get("Assistant-Heartbeat") or 15))
            yield from sse.decode(blocks(response))
        except (OSError, http.client.HTTPException) as problem:
            raise self._unreachable(problem) from problem
        finally:
            response.close()
            connection.close()

    def _unreachable(self, problem: Exception) -> Unreachable:
        why = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        return Unreachable(f"cannot reach {self.base}: {why}")


def is_notice(message: sse.Message) -> bool:
    """Whether a message is about the connection and no event of the log."""
    return message.event == "status" and message.json().get("state") in _NOTICES


def blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives."""
    while block := response.read1(65_536):
        yield block


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return None


def _problem(status: int, body: Any) -> dict[str, Any]:
    """The problem of a response; a proxy may answer in a language of its own."""
    return body if isinstance(body, dict) else {"status": status, "code": f"http_{status}", "detail": f"HTTP {status}"}
