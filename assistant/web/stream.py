"""GET /assistant/stream/<id>: the WSGI driver of a Viewer.

The viewer decides what bytes there are; this file waits until there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from flask import Request, Response, g, request
from gevent.hub import Waiter

from .. import sse
from ..errors import AssistantError, InvalidRequest
from ..models import START, Cursor, is_request_id, parse_cursor
from ..sanitize import invalid
from ..signals import emit, stream_refused
from ..viewer import Viewer
from .connection import Connection, under
from .delivery import Delivery
from .handover import OFFERED, Offer
from .loop import Loop
from .response import Complete
from .state import WebState, state, this_request


def stream_events(request_id: str) -> Response:
    """The view: refusals before the first byte, then a body that ends with the request's terminal event."""
    web, asked = state(), this_request()
    try:
        viewer = _viewer(web, asked, request_id)
    except AssistantError as problem:
        emit(stream_refused, web.sender, user_id=g.get("assistant_user"), cursor=told(), code=problem.code)
        raise
    if viewer is None:
        return bare(204)
    # blocks of bytes already
    response = Complete(_body(viewer, web, asked), mimetype=sse.MIMETYPE, direct_passthrough=True)
    response.headers.update(
        {
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
            "Assistant-Heartbeat": f"{web.settings.heartbeat:g}",
        }
    )
    return response


def _viewer(web: WebState, asked: Request, request_id: str) -> Viewer | None:
    caller = web.auth.caller(asked)
    check_id(request_id)
    return web.service.stream(caller.user_id, request_id, cursor_of(asked), caller.token_ends)


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


def cursor_of(request: Request) -> Cursor:
    """The cursor the client brings: Last-Event-ID or `?after=`. Raises InvalidRequest when there are two."""
    asked = request.args.getlist("after") if request.query_string else ()
    given = {text for text in (request.headers.get("Last-Event-ID"), *asked) if text}
    if not given:
        return START
    cursor = parse_cursor(given.pop()) if len(given) == 1 else None
    if cursor is None:
        raise InvalidRequest("The cursor is one event id, in Last-Event-ID or in ?after=.")
    return cursor


def told() -> str:
    """The cursor of a stream that is refused, as a receiver can log it: `?` for what names none."""
    given = request.headers.get("Last-Event-ID") or request.args.get("after") or ""
    return given if not given or parse_cursor(given) else "?"


def _body(viewer: Viewer, web: WebState, request: Request) -> Iterable[bytes]:
    """What the server would have to send, and the offer to take that work from it."""
    if request.method == "HEAD":
        return ()
    delivery = Delivery(viewer, web.settings.stall_timeout, web.sender)
    body = drive(delivery, request.environ.get("gunicorn.socket"))
    request.environ[OFFERED] = Offer(delivery, body)
    return body


def drive(delivery: Delivery, sock: Any = None) -> Iterator[bytes]:
    """The WSGI driver: every block is the server's, so it works under any server. `sock` is the server's, if it shows it.

    Everything it holds is taken on the first `next` and given back in `finally`.
    """
    viewer = delivery.viewer
    connection = Connection(under(sock))
    bell = Bell()
    viewer.connection, viewer.wake = connection, bell.ring
    delivery.opened()
    try:
        with closing(viewer.blocks()) as blocks:
            connection.open(bell, delivery.stall_timeout)
            for block in blocks:
                if block:
                    connection.bytes_wait(True)
                    yield block
                if block is not None:
                    continue
                connection.bytes_wait(False)
                bell.wait()  # the janitor rings at least once a heartbeat
                if connection.gone:
                    return
    finally:
        connection.close()
        delivery.closed()


class Bell:
    """Wakes the one greenlet that waits for it; a ring without a waiter is kept, and many rings are one.

    A gevent Event would do; this costs a third of it, and a stream waits once an event.
    """

    __slots__ = ("_loop", "_rung", "_waiter")

    def __init__(self) -> None:
        self._loop = Loop()
        self._rung = False
        self._waiter: Any = None

    def ring(self) -> None:
        """Returns at once, in any thread; the waiter runs in the next round of its loop."""
        if not self._rung:
            self._rung = True
            if (waiter := self._waiter) is not None:
                self._loop.call(waiter.switch, None)

    def client_gone(self) -> None:
        """For its Connection."""
        self.ring()

    def wait(self) -> None:
        """Returns after the next ring, or at once when there was one since the last wait."""
        if not self._rung:
            self._waiter = Waiter()  # remembers a switch that comes when the greenlet is gone already
            try:
                if not self._rung:  # by another thread, which saw no waiter
                    self._waiter.get()
            finally:
                self._waiter = None
        self._rung = False
