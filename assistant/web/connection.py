"""Connection: the client's socket under a stream, looked after for as long as the stream lasts.

A client that goes away is noticed at once by a watcher on the socket, and one that takes no bytes can be cut from
outside. Under the WSGI driver the socket itself belongs to the server, under the socket driver to the stream.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import gevent.socket
import gevent.ssl

# Kernel memory one stream may pin: enough for 52 MB/s to a normal reader, little enough for 1,000 that stop reading.
_SEND_BUFFER = 64 * 1024
# How long sent bytes may stay unacknowledged before the kernel gives the connection up (RFC 5482), as a part of the stall
# timeout. A host that vanished is noticed within a heartbeat and this, which together are less than that timeout. To the
# kernel a reader that has stopped reading is the same, so while bytes wait to be taken the janitor's clock counts alone.
_UNACKNOWLEDGED = 0.5
# Most bytes of a next request that are thrown away at the end, in reads of this many; see `close_socket`.
_UNREAD, _READS = 64 * 1024, 4
_READABLE, _WRITABLE = 1, 2  # libev's names for what a watcher waits for


class Owner(Protocol):
    """Whose stream goes over a connection."""

    def client_gone(self) -> None:
        """Called once, in the loop; must not wait."""


class Connection:
    """The socket `raw`, which never waits; None where there is no plain socket to look at, and then nothing is done."""

    __slots__ = ("_bytes_wait", "_owner", "_patience", "_raw", "_room", "_watcher", "gone")

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._owner: Owner | None = None
        self._watcher: Any = None
        self._room: Any = None
        self._patience = 0  # the kernel's, when nothing waits; ms
        self._bytes_wait = False
        self.gone = False

    def open(self, owner: Owner, stall_timeout: float) -> None:
        """Bounds the kernel memory of the stream and tells its owner when the client leaves."""
        self._owner = owner
        raw = self._raw
        if raw is None:
            return
        with suppress(OSError):  # a client may be gone already: the first write will tell
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._patience = round(stall_timeout * _UNACKNOWLEDGED * 1000)
        self._give_up_after(self._patience)
        if raw.fileno() >= 0:
            self._watcher = gevent.get_hub().loop.io(raw.fileno(), _READABLE)
            self._watcher.start(self._readable)

    def send_some(self, data: bytes) -> bytes:
        """Sends what the kernel takes now and returns the rest; never waits. Raises OSError when the client is gone."""
        try:
            sent = self._raw.send(data)
        except BlockingIOError:
            return data
        return data[sent:] if sent < len(data) else b""

    def bytes_wait(self, so: bool) -> None:
        """Says whether there are bytes that the client may be too slow for: then it has the whole stall timeout."""
        if so is not self._bytes_wait:
            self._bytes_wait = so
            self._give_up_after(0 if so else self._patience)

    def when_room(self, call: Callable[[], None]) -> None:
        """Calls `call` from the loop, once, when the kernel takes bytes again."""
        self.bytes_wait(True)
        if self._room is None:
            self._room = gevent.get_hub().loop.io(self._raw.fileno(), _WRITABLE)
        self._room.start(self._has_room, call)

    def close(self) -> None:
        """Stops watching, and forgets who wanted to hear of it."""
        self._owner = None
        self.bytes_wait(False)  # from now on nobody else looks at what the kernel still has
        for watcher in (self._watcher, self._room):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._watcher = self._room = None

    def close_socket(self) -> None:
        """Stops watching and closes the socket; what was sent still arrives."""
        self.close()
        with suppress(OSError):
            # a socket that is closed over unread bytes is reset, and with it goes what the client has not read yet
            for _ in range(_READS):
                if len(self._raw.recv(_UNREAD, socket.MSG_DONTWAIT)) < _UNREAD:
                    break
        self._raw.close()

    def release(self) -> Any:
        """Stops watching and returns the socket, which is somebody else's from now on."""
        self.close()
        self._give_up_after(0)
        raw, self._raw = self._raw, None
        return raw

    def cut(self) -> None:
        """Ends the connection from another greenlet: a writer that is blocked in it gets an error at once."""
        if self._raw is not None:
            with suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)

    def _give_up_after(self, milliseconds: int) -> None:
        """0 is the kernel's own patience, a quarter of an hour."""
        if self._raw is not None:
            with suppress(OSError):  # a client that is gone, or a socket of the same host, which has no such clock
                self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _has_room(self, call: Callable[[], None]) -> None:
        if self._room is not None:
            self._room.stop()
            self.bytes_wait(False)
            call()

    def _readable(self) -> None:
        """Nothing is expected from a client that reads a stream: it has gone, or sent its next request early."""
        raw = self._raw
        try:
            gone = raw is None or not raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        self._watcher.stop()  # either way there is nothing more to watch: a pipelined byte stays readable
        if gone:
            self.gone = True
            if self._owner is not None:
                self._owner.client_gone()


def plain(sock: Any) -> bool:
    """Whether bytes can be written to the server's socket as they are, past the server."""
    return isinstance(sock, gevent.socket.socket) and not isinstance(sock, gevent.ssl.SSLSocket) and sock.fileno() >= 0


def under(sock: Any) -> Any:
    """The socket under the server's, for a Connection; None where it is not plain."""
    return sock._sock if plain(sock) else None
