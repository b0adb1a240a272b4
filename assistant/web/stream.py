"""GET /assistant/stream/<id>: the WSGI driver of a Viewer.

The viewer decides what bytes there are; this file waits until there are some.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

import gevent
from flask import Response, g, request
from gevent.hub import Waiter

from .. import sse
from ..config import Settings
from ..errors import AssistantError, InvalidRequest
from ..models import START, Cursor, is_request_id, parse_cursor
from ..sanitize import invalid
from ..signals import emit, stream_closed, stream_opened, stream_refused
from ..viewer import Viewer
from .connection import Connection
from .state import WebState, state
from .writer import SocketWriter

Blocks = Generator[bytes | None, None, None]


def stream_events(request_id: str) -> Response:
    """The view: refusals before the first byte, then a body that ends with the request's terminal event."""
    web = state()
    try:
        viewer = _viewer(web, request_id)
    except AssistantError as problem:
        given = request.headers.get("Last-Event-ID") or request.args.get("after") or ""
        emit(stream_refused, web.sender, user_id=g.get("assistant_user"), cursor=given, code=problem.code)
        raise
    if viewer is None:
        return bare(204)
    body = () if request.method == "HEAD" else drive(viewer, request.environ, web.settings, sender=web.sender)
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


def _viewer(web: WebState, request_id: str) -> Viewer | None:
    caller = web.auth.caller()
    check_id(request_id)
    return web.service.stream(caller.user_id, request_id, cursor_of(), caller.token_ends)


def bare(status: int) -> Response:
    """A response without a body, which no cache keeps: a 204 would be kept by some (RFC 9110, section 15.1)."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    response.headers["Cache-Control"] = "no-store"
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


def drive(viewer: Viewer, environ: Mapping[str, Any], settings: Settings, sender: Any = None) -> Iterator[bytes]:
    """The body of a stream. Everything it holds is taken on the first `next` and given back in `finally`.

    The server sends the first block, with the headers. The others go the same way or, where the socket driver may run,
    straight to the socket; the server then ends the body, and the connection stays its own.
    """
    connection = Connection(environ.get("gunicorn.socket"), settings.stall_timeout)
    viewer.cut = connection.cut
    emit(stream_opened, sender, ctx=viewer.ctx, cursor=str(viewer.cursor), reset=viewer.reset)
    try:
        with closing(viewer.blocks()) as blocks:
            if settings.socket_driver and SocketWriter.fits(connection, environ):
                yield from _headed(viewer, blocks, connection)
            else:
                yield from _through_server(viewer, blocks, connection)
    finally:
        connection.close()
        emit(stream_closed, sender, ctx=viewer.ctx, reason=viewer.end_reason, cursor=str(viewer.cursor),
             bytes=viewer.bytes, duration=viewer.duration)  # fmt: skip


def _headed(viewer: Viewer, blocks: Blocks, connection: Connection) -> Iterator[bytes]:
    """The socket driver: only the first block is the server's."""
    writer = SocketWriter(connection, blocks)
    yield next(blocks) or b""
    # only now: while the server sends its block, nobody else may write to the socket; news is kept until `run` looks
    viewer.wake = writer.wake
    connection.open(writer.stop)
    writer.run()


def _through_server(viewer: Viewer, blocks: Blocks, connection: Connection) -> Iterator[bytes]:
    """The WSGI driver: every block is the server's; works under any server."""
    bell = Bell()
    viewer.wake = bell.ring
    connection.open(bell.ring)
    for block in blocks:
        if block is not None:
            yield block
            continue
        bell.wait()  # the janitor rings at least once a heartbeat
        if connection.gone:
            return


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
