"""Handover: the WSGI wrapper that takes a stream's socket from gunicorn and gives it to a SocketWriter.

Flask has answered by then: login, ownership, headers, every hook. What is left are the bytes of one log. So the descriptor
is taken out of the server's socket and the request ends with StopIteration, which gunicorn's async workers take for "this
connection is done" (gunicorn.workers.base_async): they close a socket that has no descriptor any more. A worker that wants
it back for the client's next request says so in the environ.

Where this cannot be, the body goes through the server as any other (stream.drive): a worker that does not wait for
streams at its end, as assistant.gunicorn makes it, TLS in gunicorn, HTTP/1.0, another server, anything between gunicorn
and the app, and a body that the app has changed or replaced since the view.
"""

from __future__ import annotations

import _socket
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Flask

from .connection import Connection, plain
from .delivery import Delivery
from .http import RESUME
from .writer import SocketWriter

# Where the view leaves the stream that its response stands for.
OFFERED = "assistant.stream"

# Module and function of those who call an app, and take StopIteration for "this connection is done".
_SERVERS = frozenset({("gunicorn.workers.base_async", "handle_request"), ("assistant.worker", "_answer")})

_WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Offer(NamedTuple):
    """A stream, and the body that it would be sent as by the server."""

    delivery: Delivery
    body: Iterable[bytes]


class _Worker:
    """What the worker of this process has said of itself; see `allow`."""

    waits = False
    log: Any = None


def allow(log: Any = None) -> None:
    """Says that the worker of this process waits for streams at its end (assistant.gunicorn), and has `log` count them."""
    _Worker.waits, _Worker.log = True, log


def install(app: Flask) -> None:
    """Puts a Handover around the app and all that is around it so far."""
    app.wsgi_app = Handover(app.wsgi_app)  # type: ignore[method-assign]


class Handover:
    """The outermost part of an app, right under gunicorn."""

    def __init__(self, app: _WSGI) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = self._app(environ, start_response)
        offer: Offer | None = environ.pop(OFFERED, None)
        # another body: a hook of the app, or what is around it, has something to do with every block
        if offer is None or offer.body is not body or not _possible(environ, start_response):
            return body
        _hand_over(offer.delivery, environ, start_response.__self__)
        raise StopIteration


def _possible(environ: dict[str, Any], start_response: Any) -> bool:
    """Whether the response is gunicorn's own, in chunks over a plain socket, with nothing between it and the app.

    A middleware between the two would hold its part of the response open, or take StopIteration for its own."""
    response = getattr(start_response, "__self__", None)
    return (
        _Worker.waits
        and getattr(response, "chunked", False) is True
        and plain(environ.get("gunicorn.socket"))
        and _called_by_gunicorn(sys._getframe(3))  # around this, the Handover and the Flask app
    )


def _called_by_gunicorn(frame: Any) -> bool:
    return (frame.f_globals.get("__name__"), frame.f_code.co_name) in _SERVERS


def _hand_over(delivery: Delivery, environ: dict[str, Any], response: Any) -> None:
    """From here on the stream needs nothing of the server. Raises what the viewer raises at its first block."""
    viewer = delivery.viewer
    resume = environ.get(RESUME)
    if resume is None:
        response.force_close()
    elif response.should_close():
        resume = None
    delivery.opened()
    blocks = viewer.blocks()
    try:
        first = next(blocks)
        assert first  # the opening line, always
        connection = Connection(_taken(environ["gunicorn.socket"]))
    except BaseException:
        blocks.close()
        delivery.closed()
        raise
    ending = delivery if _Worker.log is None else _Logged(delivery, environ, response)
    writer = SocketWriter(connection, blocks, ending, resume)
    viewer.connection, viewer.wake = connection, writer.wake
    connection.open(writer, delivery.stall_timeout)
    writer.start(_head(response), first)


class _Logged:
    """A delivery that an access log wants to hear of; so the request is kept for as long as its stream lasts."""

    def __init__(self, delivery: Delivery, environ: dict[str, Any], response: Any) -> None:
        self._delivery, self._environ, self._response = delivery, environ, response

    def closed(self) -> None:
        delivery, response = self._delivery, self._response
        delivery.closed()
        response.sent = delivery.viewer.bytes
        _Worker.log.access(response, response.req, self._environ, timedelta(seconds=delivery.viewer.duration))


def _taken(sock: Any) -> Any:
    """The connection of the server's socket, which is left without one. Never waits."""
    raw = _socket.socket(sock.family, sock.type, sock.proto, sock.detach())
    raw.setblocking(False)
    return raw


def _head(response: Any) -> bytes:
    """The head as gunicorn writes it."""
    lines = [*response.default_headers(), *(f"{name}: {value}\r\n" for name, value in response.headers), "\r\n"]
    return "".join(lines).encode("latin-1")
