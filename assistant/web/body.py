"""Reading a JSON body: bounded in bytes and in time, parsed by rules that refuse what JSON cannot mean."""

from __future__ import annotations

from functools import cache
from typing import Any

import gevent
import orjson
from flask import Request
from pydantic import TypeAdapter, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import AssistantError, InvalidRequest, RequestTimeout, TooLarge, UnsupportedMediaType
from ..sanitize import invalid

# Largest body (protocol, POST /assistant/request); bytes.
MAX_BODY = 2**20


def read_body(request: Request, deadline: float, limit: int = MAX_BODY) -> bytes:
    """The bytes of the JSON body of a request. Raises UnsupportedMediaType, TooLarge, RequestTimeout after `deadline` seconds."""
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    if (request.content_length or 0) > limit:
        raise TooLarge(limit=limit)
    request.max_content_length = limit  # the host app's own limit is for its own routes
    with gevent.Timeout(deadline, RequestTimeout):
        return _read(request, limit)


def _read(request: Request, limit: int) -> bytes:
    try:
        return request.get_data()  # not the stream: a hook of the host app may have read it already
    except RequestEntityTooLarge:  # a body that did not say how long it is
        raise TooLarge(limit=limit) from None
    except AssistantError:  # the deadline
        raise
    except Exception as problem:  # cut, or not framed as HTTP frames a body: each server has errors of its own for that
        raise InvalidRequest("The body could not be read.") from problem


def parse_json(raw: bytes) -> Any:
    """`raw` as JSON. Raises InvalidRequest for what is not JSON, also NaN, 1e999, lone surrogates and deep nesting."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise invalid((), "the body is not JSON", "json_invalid") from None


def validated(kind: Any, data: Any) -> Any:
    """`data` as `kind`, a pydantic model or a union of them. Raises InvalidRequest that names places, never input."""
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as problem:
        findings = problem.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidRequest(
            errors=[
                {"loc": [_place(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]}
                for one in findings[:20]
            ]
        ) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _place(part: int | str) -> int | str:
    """A part of a location; a key that a client made up is shown only when it looks like a name."""
    return part if isinstance(part, int) or (part.isidentifier() and len(part) <= 64) else "?"
