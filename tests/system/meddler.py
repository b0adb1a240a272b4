"""A proxy on loopback that does to streams what proxies do when they are not set up for them."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer

# What a server sent on its way to the client, changed; made anew for each connection.
Change = Callable[[bytes], bytes]

_STREAM, _END = b"text/event-stream", b"0\r\n\r\n"


class Meddler:
    """Passes connections on to `ports` in turn; `change` makes what comes back something else, `idle` cuts silence after
    as many seconds."""

    def __init__(self, *ports: int, change: Callable[[], Change] | None = None, idle: float | None = None) -> None:
        self._ports = itertools.cycle(ports)
        self._change = change or (lambda: lambda block: block)
        self._idle = idle
        self._server = StreamServer(("127.0.0.1", 0), self._serve, spawn=Pool())

    def __enter__(self) -> Meddler:
        self._server.start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=1)

    def _serve(self, client: socket.socket, _: object) -> None:
        with socket.create_connection(("127.0.0.1", next(self._ports)), timeout=60) as upstream:
            change = self._change()
            ways = [
                gevent.spawn(_pump, client, upstream, lambda block: block, None),
                gevent.spawn(_pump, upstream, client, change, self._idle),
            ]
            try:
                gevent.wait(ways, count=1)
            finally:
                gevent.killall(ways)
                client.close()


def _pump(source: socket.socket, target: socket.socket, change: Change, idle: float | None) -> None:
    try:
        while True:
            block = None
            with gevent.Timeout(idle, False):
                block = source.recv(65_536)
            if not block:
                return
            target.sendall(change(block))
    except OSError:
        return


def buffering() -> Change:
    """Holds a stream until it has ended."""
    held = bytearray()

    def change(block: bytes) -> bytes:
        if not held and _STREAM not in block:
            return block
        held.extend(block)
        if not held.endswith(_END):
            return b""
        whole = bytes(held)
        held.clear()
        return whole

    return change


def without_heartbeats() -> Change:
    return lambda block: block.replace(b"2\r\n:\n\r\n", b"")


def compressing() -> Change:
    return lambda block: block.replace(
        b"Content-Type: " + _STREAM, b"Content-Encoding: gzip\r\nContent-Type: " + _STREAM
    )


def granting() -> Change:
    return lambda block: block.replace(b"Server: gunicorn", b"Server: gunicorn\r\nAccess-Control-Allow-Origin: *", 1)
