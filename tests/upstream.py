"""A scripted model server on loopback. It speaks chat completions and messages, and misbehaves when it is asked to.

The name of the model in a call chooses the scenario, so the same server serves tests in its own process and, started
with `python -m tests.upstream PORT`, tests of real server processes. `GET /log` tells what it was asked, as JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from tests.scenarios import Chat, Do, Messages, Reply, reply_to


@dataclass
class Seen:
    """One call as the server saw it. Moments are monotonic seconds; `closed` is when the client left before the end."""

    path: str
    key: str
    body: dict[str, Any]
    at: float
    closed: float | None = None
    ended: float | None = None
    gone: Event = field(default_factory=Event, repr=False)


class Upstream:
    """The server. `seen` are its calls; `then` sets replies that come before those of the scenarios, in order."""

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._replies: list[Reply] = []
        self._pool = Pool()
        self._server = StreamServer(("127.0.0.1", port), self._serve, spawn=self._pool)

    def __enter__(self) -> Upstream:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=0)
        self._pool.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def then(self, *replies: Reply) -> None:
        self._replies += replies

    def _serve(self, connection: socket.socket, _: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = b""
        try:
            while (request := _read_request(connection, waiting)) is not None:
                method, path, headers, body = request
                if method == "GET":
                    _send(connection, Reply([self._log()], content_type="application/json"))
                    waiting = b""
                    continue
                waiting = self._answer(connection, path, headers, json.loads(body))
        except OSError:
            pass
        finally:
            connection.close()

    def _answer(self, connection: socket.socket, path: str, headers: dict[str, str], body: dict[str, Any]) -> bytes:
        """Answers while it listens: what comes next is either the next request, or that the client left."""
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        seen = Seen(path, key, body, time.monotonic())
        self.seen.append(seen)
        dialect = Messages(body["model"]) if path.endswith("/messages") else Chat(body["model"])
        reply = self._replies.pop(0) if self._replies else reply_to(dialect, body["model"], body)
        writer = gevent.spawn(_write, connection, reply, seen)
        try:
            following = _receive(connection)
        finally:
            writer.kill()
        if not following:
            seen.closed = time.monotonic() if seen.ended is None else None
            seen.gone.set()
            raise ConnectionError("the client left")
        return following

    def _log(self) -> bytes:
        names = ("path", "body", "at", "closed", "ended")
        return json.dumps([{name: getattr(one, name) for name in names} for one in self.seen]).encode()


def _read_request(connection: socket.socket, waiting: bytes) -> tuple[str, str, dict[str, str], bytes] | None:
    while b"\r\n\r\n" not in waiting:
        if not (more := _receive(connection)):
            return None
        waiting += more
    head, _, body = waiting.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        if not (more := _receive(connection)):
            return None
        body += more
    method, path, _ = first.split(" ")
    return method, path, headers, body


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _write(connection: socket.socket, reply: Reply, seen: Seen) -> None:
    try:
        _send(connection, reply)
        seen.ended = time.monotonic()
    except OSError:
        pass


def _send(connection: socket.socket, reply: Reply) -> None:
    head = {"Content-Type": reply.content_type, "Transfer-Encoding": "chunked", **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    begun = f"HTTP/1.1 {reply.status} Status\r\n{lines}\r\n".encode()
    for step in reply.steps:
        if isinstance(step, float):
            gevent.sleep(step)
        elif step is Do.HANG:
            gevent.sleep(60)
        elif isinstance(step, Do):
            if step is Do.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                connection.shutdown(socket.SHUT_RDWR)
            return
        elif callable(step):
            step()
        else:
            for piece in [step[i : i + 1] for i in range(len(step))] if reply.bytewise else [step]:
                connection.sendall(begun + f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                begun = b""
    connection.sendall(begun + b"0\r\n\r\n")


if __name__ == "__main__":
    with Upstream(int(sys.argv[1])) as server:
        print(server.url, flush=True)
        gevent.wait()
