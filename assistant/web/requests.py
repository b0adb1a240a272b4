"""The routes of a request but its stream: submit, look, list, cancel, answer an action."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson
from flask import Request, Response, g, request
from werkzeug.urls import iri_to_uri

from ..errors import AssistantError
from ..models import ActionReply, AssistantRequest, ClaimReply, ResultReply
from ..protocols import Created
from ..sanitize import invalid
from ..service import Submission
from ..signals import emit, request_rejected
from . import guests, poll
from .body import parse_json, read_body, validated
from .response import Complete
from .state import WebState, state, this_request
from .stream import bare, check_id

_STATUSES = ("claimed", "ok", "error", "denied")
# Where the routes live, as a header can say it: the same for nearly all requests.
_uri = lru_cache(maxsize=16)(iri_to_uri)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def submit() -> Response:
    """POST /request: 201 with the request's id, as soon as it is admitted."""
    web, asked = state(), this_request()
    try:
        created = _submitted(web, asked)
    except AssistantError as problem:
        emit(
            request_rejected,
            web.sender,
            user_id=g.get("assistant_user"),
            mode=g.get("assistant_mode"),
            code=problem.code,
        )
        raise
    return _accepted(web, asked, created)


def _submitted(web: WebState, asked: Request) -> Created:
    user_id = web.auth.caller(asked).user_id
    key = idempotency_key(asked)
    raw = read_body(asked, web.settings.body_timeout)
    body = validated(AssistantRequest, parse_json(raw))
    prepared = web.service.prepare(Submission(user_id, body, raw, key))
    g.assistant_mode = body.mode
    if (replay := web.service.replayed(prepared)) is not None:
        return replay
    web.limits.check_mode(body.mode)
    return web.service.submit(prepared)


def _accepted(web: WebState, asked: Request, created: Created) -> Response:
    ctx = created.ctx
    base = asked.script_root + web.settings.url_prefix
    response = json_response(
        {
            "request_id": ctx.request_id,
            "status": "accepted",
            "stream_url": f"{base}/stream/{ctx.request_id}",
            "created_at": ctx.created_at,
            "expires_at": ctx.expires_at,
        },
        201,
    )
    response.headers["Location"] = f"{_uri(base)}/request/{ctx.request_id}"
    if created.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def idempotency_key(asked: Request) -> str | None:
    """The Idempotency-Key of a request. Raises InvalidRequest when it is no key."""
    key = asked.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid(("Idempotency-Key",), "1 to 255 visible ASCII characters", "idempotency_key")
    return key


def record(request_id: str) -> Response:
    """GET /request/<id>: the request as it stands, with its result once it has ended; a page of its events when asked."""
    if poll.asked():
        return poll.poll(request_id)
    web = state()
    user_id = web.auth.caller(this_request()).user_id
    check_id(request_id)
    return json_response(web.service.record(user_id, request_id))


def records() -> Response:
    """GET /requests: mine, newest first."""
    web = state()
    user_id = web.auth.caller(this_request()).user_id
    wanted = request.args.get("state")
    if wanted not in (None, "active", "ended"):
        raise invalid(("state",), "active or ended", "state")
    return json_response({"requests": web.service.records(user_id, request.args.get("track_id"), wanted)})


def cancel(request_id: str) -> Response:
    """DELETE /request/<id>: 202 when it is being stopped, 200 with the record when it had ended."""
    web = state()
    user_id = web.auth.caller(this_request()).user_id
    check_id(request_id)
    web.limits.check_cancel()
    ended = web.service.cancel(user_id, request_id)
    return bare(202) if ended is None else json_response(ended)


def answer(request_id: str, action_id: str) -> Response:
    """POST /request/<id>/actions/<action_id>: 202 when the reply was taken, 200 when it was there already."""
    web = state()
    user_id = web.auth.caller(this_request()).user_id
    check_id(request_id)
    raw = read_body(this_request(), web.settings.body_timeout)
    reply = _reply(parse_json(raw))
    repeated = web.service.answer(user_id, request_id, action_id, reply)
    return json_response({"action_id": action_id, "status": reply.status}, 200 if repeated else 202)


def _reply(data: Any) -> ActionReply:
    """A claim or a result, as its status says. Raises InvalidRequest that names the fault of the one that was meant."""
    status = data.get("status") if isinstance(data, dict) else None
    if isinstance(data, dict) and status not in _STATUSES:
        raise invalid(("status",), "one of: " + ", ".join(_STATUSES), "literal_error")
    reply: ActionReply = validated(ClaimReply if status == "claimed" else ResultReply, data)
    return reply


def session() -> Response:
    """POST /session: a guest's token and the cookie that makes a visitor the same guest again."""
    web = state()
    web.auth.admit_guest()
    web.limits.check_session()
    return guests.session(web.settings.url_prefix)


def json_response(data: Any, status: int = 200) -> Response:
    """JSON that no cache keeps."""
    response = Complete(orjson.dumps(data), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
