"""What the failures of a model server mean to our clients.

The SDKs are told apart by nothing here: their errors, and those of the HTTP library below them, carry the same names and
attributes. What a server says in words is never passed on or logged; only its status and its machine-readable codes are
read.
"""

from __future__ import annotations

import email.utils
import logging
import math
import time
from typing import Any

from ..errors import (
    AssistantError,
    ContentRefused,
    InvalidRequest,
    Misconfigured,
    ProviderAuth,
    ProviderIncomplete,
    ProviderProtocol,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    TooLarge,
)

log = logging.getLogger("assistant.providers")

# Longest Retry-After that is told to a client; seconds.
_DAY = 86_400.0

# The machine-readable words of error objects and the HTTP status each stands for, where a 200 stream carries them.
_STATUS = {
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "timeout_error": 408,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
}
_REFUSED = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "data_inspection_failed"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}


def failure(problem: Exception, *, opened: bool) -> AssistantError:
    """The error of ours that an exception of an SDK stands for; `opened` once the answer had begun."""
    if isinstance(problem, AssistantError):
        return problem
    status, body = getattr(problem, "status_code", None), getattr(problem, "body", None)
    if status is not None or body is not None:
        return told(status or 200, body, retry_after(headers_of(problem)))
    names = names_of(problem)
    if names & {"TimeoutException", "APITimeoutError"}:
        return ProviderTimeout()
    if "DecodingError" not in names and names & {"APIConnectionError", "RequestError", "OSError"}:
        return ProviderIncomplete() if opened else ProviderUnavailable()
    return ProviderProtocol()


def told(status: int, body: Any, after: float | None = None) -> AssistantError:
    """The error of ours for what a server answered: an HTTP status, or an error object inside a 200 stream."""
    words = words_of(body)
    if _REFUSED.intersection(words):
        return ContentRefused()
    if _TOO_LONG.intersection(words):
        return TooLarge()
    if status < 400:
        status = next((found for word in words if (found := _meant(word))), 500)
    if status in (401, 402, 403):
        return ProviderAuth()
    if status == 429:
        return ProviderRateLimited(retry_after=after)
    if status >= 500:
        return ProviderUnavailable(retry_after=after)
    if status in (400, 422):
        return InvalidRequest()
    return {408: ProviderTimeout, 413: TooLarge}.get(status, Misconfigured)()


def retry_after(headers: Any) -> float | None:
    """How long a server asks to wait, in seconds (RFC 9110, section 10.2.3); None when it does not say or says nonsense."""
    text = str(headers.get("retry-after") or "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text)
    return min(seconds, _DAY) if seconds >= 0 else None


def _until(date: str) -> float:
    """Seconds until an HTTP date; NaN, which no comparison holds for, when it is none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return math.nan


def words_of(body: Any, depth: int = 4) -> list[str]:
    """The codes and types of an error object, whichever of the servers' shapes it has; never its prose."""
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict) or not depth:
        return []
    own = [str(body[name]).lower() for name in ("code", "error_code", "type", "status") if body.get(name) is not None]
    nested = [
        word for name in ("error", "innererror", "details", "detail") for word in words_of(body.get(name), depth - 1)
    ]
    return own + nested


def _meant(word: str) -> int | None:
    if word.isdecimal() and len(word) == 3:
        return int(word) if int(word) >= 400 else None
    return _STATUS.get(word)


def names_of(problem: BaseException | None) -> set[str]:
    """The names of an exception's classes and of those that caused it: the same in every SDK and HTTP library."""
    names: set[str] = set()
    for _ in range(8):
        if problem is None:
            break
        names.update(kind.__name__ for kind in type(problem).__mro__)
        problem = problem.__cause__
    return names


def headers_of(problem: Exception) -> Any:
    return getattr(getattr(problem, "response", None), "headers", {})


def noted(error: AssistantError, problem: Exception | None) -> AssistantError:
    """Logs what an operator needs and nobody else may see; a server's words could hold the prompt or the key."""
    name = type(problem).__name__ if problem else "no event"
    log.warning("model provider: %s (%s, HTTP status %s)", error.code, name, getattr(problem, "status_code", None))
    return error
