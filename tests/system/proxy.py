"""A TCP proxy on loopback that cuts connections where it is told to."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer


class Proxy:
    """Passes bytes on to `port`. `budget()` says, for each connection, how many bytes of the answer come through before it
    is cut, by FIN or, when `reset`, by RST; None lets all through."""

    def __init__(self, port: int, budget: Callable[[], int | None], *, reset: bool = False) -> None:
        self._port = port
        self._budget = budget
        self._reset = reset
        self._server = StreamServer(("127.0.0.1", 0), self._serve, spawn=Pool())
        self.cuts = 0

    def __enter__(self) -> Proxy:
        self._server.start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=1)

    def _serve(self, client: socket.socket, _: object) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as upstream:
            up = gevent.spawn(_pump, client, upstream, None)
            down = gevent.spawn(_pump, upstream, client, self._budget())
            try:
                gevent.wait([up, down], count=1)  # whichever side ends ends the other
                if down.ready() and down.value:
                    self._cut(client)
            finally:
                gevent.killall([up, down])
                client.close()

    def _cut(self, client: socket.socket) -> None:
        self.cuts += 1
        if self._reset:  # linger 0: close sends RST
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _pump(source: socket.socket, target: socket.socket, budget: int | None) -> bool:
    """Copies until the source ends or the budget is used up; True in the second case."""
    left = budget
    try:
        while block := source.recv(65536):
            target.sendall(block if left is None else block[:left])
            if left is not None:
                left -= len(block)
                if left <= 0:
                    return True
    except OSError:
        pass
    return False
