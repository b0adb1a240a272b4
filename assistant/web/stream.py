"""GET /assistant/stream/<id>: the WSGI driver of a Viewer.

The viewer decides what bytes there are; this file waits, and looks after the connection: a client that goes away is
noticed at once by a watcher on its socket, and one that takes no bytes can be cut from outside.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

import gevent.socket
import gevent.ssl
from flask import Response, request
from gevent.hub import Waiter

from .. import sse
from ..errors import InvalidRequest
from ..models import START, Cursor, is_request_id, parse_cursor
from ..sanitize import invalid
from ..signals import emit, stream_closed, stream_opened
from ..viewer import Viewer
from .state import state

# Kernel memory one stream may pin: enough for 52 MB/s to a normal reader, little enough for 1,000 that stop reading.
_SEND_BUFFER = 64 * 1024
# How long sent bytes may stay unacknowledged before the kernel gives the connection up (RFC 5482), as a part of the stall
# timeout. A host that vanished is noticed within a heartbeat and this, which together are less than that timeout.
_UNACKNOWLEDGED = 0.5


def stream_events(request_id: str) -> Response:
    """The view: refusals before the first byte, then a body that ends with the request's terminal event."""
    web = state()
    caller = web.auth.caller()
    check_id(request_id)
    viewer = web.service.stream(caller.user_id, request_id, cursor_of(), caller.token_ends)
    if viewer is None:
        return Response(status=204)
    body = (
        ()
        if request.method == "HEAD"
        else drive(viewer, request.environ, web.settings.stall_timeout, sender=web.sender)
    )
    response = Response(body, mimetype=sse.MIMETYPE, direct_passthrough=True)  # blocks of bytes already
    response.headers.update(
        {
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
            "Assistant-Heartbeat": f"{web.settings.heartbeat:g}",
        }
    )
    return response


def check_id(request_id: str) -> None:
    """Raises InvalidRequest for what cannot be an id, before anything is looked up."""
    if not is_request_id(request_id):
        raise invalid(("request_id",), "not a request id", "request_id")


def cursor_of() -> Cursor:
    """The cursor the client brings: Last-Event-ID or `?after=`. Raises InvalidRequest when there are two."""
    given = {text for text in (request.headers.get("Last-Event-ID"), *request.args.getlist("after")) if text}
    if not given:
        return START
    cursor = parse_cursor(given.pop()) if len(given) == 1 else None
    if cursor is None:
        raise InvalidRequest("The cursor is one event id, in Last-Event-ID or in ?after=.")
    return cursor


def drive(viewer: Viewer, environ: Mapping[str, Any], stall_timeout: float, sender: Any = None) -> Iterator[bytes]:
    """The body of a stream. Everything it holds is taken on the first `next` and given back in `finally`."""
    bell = Bell()
    viewer.wake = bell.ring
    connection = Connection(environ.get("gunicorn.socket"), bell.ring, stall_timeout)
    viewer.cut = connection.cut
    emit(stream_opened, sender, ctx=viewer.ctx, cursor=str(viewer.cursor))
    try:
        connection.open()
        with closing(viewer.blocks()) as blocks:
            for block in blocks:
                if block is not None:
                    yield block
                    continue
                bell.wait()  # the janitor rings at least once a heartbeat
                if connection.gone:
                    return
    finally:
        connection.close()
        emit(stream_closed, sender, ctx=viewer.ctx, reason=viewer.end_reason, cursor=str(viewer.cursor),
             bytes=viewer.bytes, duration=viewer.duration)  # fmt: skip


class Bell:
    """Wakes the one greenlet that waits for it; a ring without a waiter is kept, and many rings are one.

    A gevent Event would do; this costs a third of it, and a stream waits once an event.
    """

    __slots__ = ("_loop", "_rung", "_waiter")

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._rung = False
        self._waiter: Any = None

    def ring(self) -> None:
        """Returns at once; the waiter runs when the caller waits next. For greenlets of the same thread."""
        if not self._rung:
            self._rung = True
            if self._waiter is not None:
                self._loop.run_callback(self._waiter.switch, None)

    def wait(self) -> None:
        """Returns after the next ring, or at once when there was one since the last wait."""
        if not self._rung:
            self._waiter = Waiter()  # remembers a switch that comes when the greenlet is gone already
            try:
                self._waiter.get()
            finally:
                self._waiter = None
        self._rung = False


class Connection:
    """The client's socket under gunicorn's gevent worker; does nothing where there is no plain socket to look at."""

    def __init__(self, sock: Any, on_gone: Callable[[], None], stall_timeout: float) -> None:
        plain = isinstance(sock, gevent.socket.socket) and not isinstance(sock, gevent.ssl.SSLSocket)
        self._socket: Any = sock._sock if plain else None  # the raw one: it never switches greenlets
        self._on_gone = on_gone
        self._unacknowledged = round(stall_timeout * _UNACKNOWLEDGED * 1000)  # milliseconds
        self._watcher: Any = None
        self.gone = False

    def open(self) -> None:
        """Bounds the kernel memory of the stream and watches for the client to leave."""
        sock = self._socket
        if sock is None:
            return
        with suppress(OSError):  # a client may be gone already: the first write will tell
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._unacknowledged)
        if sock.fileno() >= 0:
            self._watcher = gevent.get_hub().loop.io(sock.fileno(), 1)  # 1: readable
            self._watcher.start(self._readable)

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
