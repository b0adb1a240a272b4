"""Failures as application/problem+json (RFC 9457): the one edge where errors become responses."""

from __future__ import annotations

import logging
import math

import orjson
from flask import Blueprint, Flask, Response
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError
from werkzeug.exceptions import HTTPException

from ..errors import (
    AssistantError,
    Forbidden,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)

log = logging.getLogger("assistant.web")

MIMETYPE = "application/problem+json"

_BY_STATUS: dict[int, type[AssistantError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    408: RequestTimeout,
    413: TooLarge,
    415: UnsupportedMediaType,
    429: RateLimited,
}


def problem(error: AssistantError) -> Response:
    """The response for an error: its table row, its detail, and its further members."""
    body = {
        "type": f"urn:assistant:problem:{error.code}",
        "title": error.message,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "kind": error.kind,
        "retryable": error.retryable,
        **error.extra,
    }
    response = Response(status=error.status, mimetype=MIMETYPE)
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    response.set_data(orjson.dumps(body))
    return response


def from_http(error: HTTPException) -> Response:
    """The response for an error that Flask or Werkzeug raised."""
    status = error.code or 500
    if status < 400:  # a redirect is no failure
        return error.get_response()  # type: ignore[return-value]
    kind = _BY_STATUS.get(status, InvalidRequest if status < 500 else Internal)
    response = problem(kind("There is nothing at this address.") if status == 404 else kind())
    response.status_code = status
    if status == 405:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return response


def unauthorized(_: Exception) -> Response:
    return problem(Unauthorized())


def unexpected(error: Exception) -> Response:
    """The response for a bug: logged here, and nothing of it told."""
    log.error("a route failed", exc_info=error)
    return problem(Internal())


def register(target: Blueprint | Flask) -> None:
    """Catches everything that the routes of a blueprint raise, and nothing of the app around it; or of a whole app."""
    target.register_error_handler(AssistantError, problem)
    target.register_error_handler(HTTPException, from_http)
    target.register_error_handler(JWTExtendedException, unauthorized)
    target.register_error_handler(PyJWTError, unauthorized)
    target.register_error_handler(Exception, unexpected)
