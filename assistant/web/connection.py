"""Connection: the client's socket under a stream, looked after for as long as the stream lasts.

A client that goes away is noticed at once by a watcher on the socket, and one that takes no bytes can be cut from
outside. The socket itself belongs to the server.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent.socket
import gevent.ssl

# Kernel memory one stream may pin: enough for 52 MB/s to a normal reader, little enough for 1,000 that stop reading.
_SEND_BUFFER = 64 * 1024
# How long sent bytes may stay unacknowledged before the kernel gives the connection up (RFC 5482), as a part of the stall
# timeout. A host that vanished is noticed within a heartbeat and this, which together are less than that timeout.
_UNACKNOWLEDGED = 0.5


class Connection:
    """The client's socket under gunicorn's gevent worker; does nothing where there is no plain socket to look at."""

    def __init__(self, sock: Any, stall_timeout: float) -> None:
        plain = isinstance(sock, gevent.socket.socket) and not isinstance(sock, gevent.ssl.SSLSocket)
        self._waiting_socket = sock  # gevent's: a full buffer switches to other greenlets
        self._socket: Any = sock._sock if plain else None  # the raw one: it never waits
        self._on_gone: Callable[[], None] = _nobody
        self._unacknowledged = round(stall_timeout * _UNACKNOWLEDGED * 1000)  # milliseconds
        self._watcher: Any = None
        self.gone = False

    def open(self, on_gone: Callable[[], None]) -> None:
        """Bounds the kernel memory of the stream and calls `on_gone` when the client leaves."""
        self._on_gone = on_gone
        sock = self._socket
        if sock is None:
            return
        with suppress(OSError):  # a client may be gone already: the first write will tell
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._unacknowledged)
        if sock.fileno() >= 0:
            self._watcher = gevent.get_hub().loop.io(sock.fileno(), 1)  # 1: readable
            self._watcher.start(self._readable)

    @property
    def plain(self) -> bool:
        """Whether there is a socket that bytes can be written to as they are."""
        return self._socket is not None

    def send_some(self, data: bytes) -> bytes:
        """Sends what the kernel takes now and returns the rest; never waits. Raises OSError when the client is gone."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return data
        return data[sent:] if sent < len(data) else b""

    def send_all(self, data: bytes) -> None:
        """Sends everything; other greenlets run while the client takes no bytes. Raises OSError."""
        self._waiting_socket.sendall(data)

    def close(self) -> None:
        """Stops watching; the socket itself belongs to the server."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def cut(self) -> None:
        """Ends the connection from another greenlet: a writer that is blocked in it gets an error at once."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _readable(self) -> None:
        """Nothing is expected from a client that reads a stream: it has gone, or sent its next request early."""
        sock = self._socket
        try:
            gone = sock is None or not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        self.close()  # either way there is nothing more to watch: a pipelined byte stays readable
        if gone:
            self.gone = True
            self._on_gone()


def _nobody() -> None:
    """Before the connection is open there is nobody to tell."""
