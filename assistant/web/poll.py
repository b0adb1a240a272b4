"""GET /assistant/request/<id>?after=&wait=: the driver of a Poll. It waits for news, for at most as long as it was asked to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import orjson
from flask import Response, request

from ..config import Settings
from ..poll import Poll
from ..sanitize import invalid
from .connection import Connection, under
from .state import state, this_request
from .stream import Bell, check_id, cursor_of

# Longest wait that a client may ask for: below the silence at which proxies give up; seconds (protocol, The rest).
LONGEST = 25.0
_WAIT = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


def asked() -> bool:
    """Whether the current request wants a page of events, and not the record."""
    return "after" in request.args or "wait" in request.args


def poll(request_id: str) -> Response:
    """Refusals as a stream's, then one page. An end that was seen already is a page without events."""
    web = state()
    asked = this_request()
    caller = web.auth.caller(asked)
    check_id(request_id)
    cursor, wait = cursor_of(asked), _wait()
    looking = web.service.poll(caller.user_id, request_id, cursor, caller.token_ends)
    # a body of its own: what the app holds for this request, such as a database session, goes back before the wait
    body = () if request.method == "HEAD" else drive(looking, wait, request.environ, web.settings)
    response = Response(body, mimetype="application/json", direct_passthrough=True)
    response.headers["Cache-Control"] = "no-store"
    return response


def _wait() -> float:
    """How long the client will wait; seconds. Raises InvalidRequest."""
    given = request.args.getlist("wait") or ["0"]
    if len(given) != 1 or not _WAIT.fullmatch(given[0]) or float(given[0]) > LONGEST:
        raise invalid(("wait",), f"0 to {LONGEST:g} seconds", "wait")
    return float(given[0])


def drive(looking: Poll, wait: float, environ: Mapping[str, Any], settings: Settings) -> Iterator[bytes]:
    """The page as the one block of a body. Everything it holds is taken on `next` and given back before it yields."""
    connection, bell = Connection(under(environ.get("gunicorn.socket"))), Bell()
    ends = time.monotonic() + wait
    timer = gevent.get_hub().loop.timer(wait)

    def news() -> bool:
        if time.monotonic() >= ends:
            return False
        bell.wait()
        return not connection.gone

    try:
        looking.wake = bell.ring
        if wait:
            connection.open(bell, settings.stall_timeout)
            timer.start(bell.ring)
        page = orjson.dumps(looking.page(news))
    finally:
        timer.stop()
        timer.close()
        connection.close()
    yield page
