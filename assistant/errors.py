"""The one table of failures: every code a client can see, with its kind, HTTP status and advice.

HTTP problems and `error` events share it; the docs and the TypeScript union are generated from `CODES`.
"""

from __future__ import annotations

from typing import Any, ClassVar

CODES: dict[str, type[AssistantError]] = {}


class AssistantError(Exception):
    """A failure with a code that clients understand.

    `detail` is safe to show to the user; `retry_after` is in seconds; `extra` are further members of the problem
    body (RFC 9457, section 3.2).
    """

    kind: ClassVar[str] = "failed"
    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    message: ClassVar[str] = "Something went wrong on our side."

    def __init_subclass__(
        cls, *, code: str = "", status: int = 0, message: str = "", retryable: bool | None = None, kind: str = ""
    ) -> None:
        super().__init_subclass__()
        cls.kind = kind or cls.kind
        cls.status = status or cls.status
        cls.message = message or cls.message
        cls.retryable = cls.retryable if retryable is None else retryable
        if code:
            cls.code = code
            CODES[code] = cls

    def __init__(self, detail: str = "", *, retry_after: float | None = None, **extra: Any) -> None:
        super().__init__(detail or self.message)
        self.detail = detail or self.message
        self.retry_after = retry_after
        self.extra = extra


# --- invalid: the user may edit and send again ------------------------------------------------------------------
class Invalid(AssistantError, kind="invalid", status=400): ...


class InvalidRequest(Invalid, code="invalid_request", message="The request is not valid."): ...


class ValueRefused(InvalidRequest, status=422, message="The value does not match the action's schema."): ...


class MethodNotAllowed(
    Invalid, code="method_not_allowed", status=405, message="This address does not take that method."
): ...


class RequestTimeout(Invalid, code="request_timeout", status=408, message="The body did not arrive in time."): ...


class TooLarge(Invalid, code="too_large", status=413, message="The body is too large."): ...


class UnsupportedMediaType(
    Invalid, code="unsupported_media_type", status=415, message="The body must be application/json."
): ...


class IdempotencyMismatch(
    Invalid, code="idempotency_mismatch", status=422, message="This Idempotency-Key belongs to another body."
): ...


class ContentRefused(
    Invalid, code="content_refused", status=422, message="The model provider refused this content."
): ...


class BudgetExceeded(
    Invalid, code="budget_exceeded", status=413, message="The answer grew beyond what one request may hold."
): ...


# --- auth: the user may sign in ---------------------------------------------------------------------------------
class Auth(AssistantError, kind="auth", status=401): ...


class Unauthorized(Auth, code="unauthorized", message="A valid access token is needed."): ...


class Forbidden(Auth, code="forbidden", status=403, message="This is not allowed."): ...


# --- gone: the user may send again ------------------------------------------------------------------------------
class Missing(AssistantError, kind="gone", status=404): ...


class NotFound(Missing, code="not_found", message="There is no such request."): ...


class Gone(Missing, code="gone", status=410, message="This request is no longer available."): ...


# --- limited: the user may wait ---------------------------------------------------------------------------------
class Limited(AssistantError, kind="limited", status=429, retryable=True): ...


class RateLimited(Limited, code="rate_limited", message="Too many requests; wait a moment."): ...


class TooManyActive(Limited, code="too_many_active", message="Too many answers are running; wait for one to end."): ...


class TooManyViewers(Limited, code="too_many_viewers", message="Too many viewers are watching this answer."): ...


# --- unavailable: the user may retry ----------------------------------------------------------------------------
class Unavailable(AssistantError, kind="unavailable", status=503, retryable=True): ...


class ServerFull(Unavailable, code="server_full", message="The server is full; try again in a moment."): ...


class Draining(Unavailable, code="draining", message="The server is restarting; try again in a moment."): ...


class StoreUnavailable(Unavailable, code="store_unavailable", message="The store cannot be reached."): ...


class Misconfigured(
    Unavailable, code="misconfigured", retryable=False, message="The server is not set up correctly."
): ...


class ProviderUnavailable(
    Unavailable, code="provider_unavailable", message="The model provider cannot be reached."
): ...


class ProviderRateLimited(
    Unavailable, code="provider_rate_limited", message="The model provider is limiting requests; try again soon."
): ...


class ProviderTimeout(
    Unavailable, code="provider_timeout", status=504, message="The model did not answer in time."
): ...


# --- interrupted: the user may retry, the partial answer is kept ------------------------------------------------
class Interrupted(AssistantError, kind="interrupted", status=503, retryable=True): ...


class WorkerLost(Interrupted, code="worker_lost", message="The server working on this answer was lost."): ...


class StoreLost(Interrupted, code="store_lost", message="The record of this answer was lost."): ...


class Abandoned(Interrupted, code="abandoned", message="Nobody was reading this answer, so it was stopped."): ...


class Expired(Interrupted, code="expired", message="The answer made no progress and was stopped."): ...


class DeadlineExceeded(
    Interrupted, code="deadline_exceeded", status=504, message="The answer took too long and was stopped."
): ...


class ProviderIncomplete(
    Interrupted, code="provider_incomplete", status=502, message="The model's answer ended before it was complete."
): ...


class ProviderProtocol(
    Interrupted, code="provider_protocol", status=502, message="The model provider sent something unreadable."
): ...


# --- failed: the user may retry and report the id ---------------------------------------------------------------
class Failed(AssistantError, kind="failed", status=500): ...


class HandlerFailed(Failed, code="handler_failed", retryable=True, message="Something went wrong while answering."): ...


class ActionFailed(Failed, code="action_failed", retryable=True, message="An action on the page failed."): ...


class ActionExpired(
    Failed, code="action_expired", status=410, retryable=True, message="An action was not answered in time."
): ...


class ProviderAuth(Failed, code="provider_auth", message="The model provider refused our credentials."): ...


class Internal(Failed, code="internal", retryable=True): ...


# --- never seen by a client: how the parts tell each other ------------------------------------------------------
class RequestClosed(AssistantError):
    """The log has its terminal event; nothing can follow it."""


class Fenced(AssistantError):
    """The writer's attempt is not the current one: another worker has taken the request over."""


class ActionConflict(AssistantError, kind="invalid", status=409, message="Another reply came first."):
    code = "invalid_request"


class ActionDenied(AssistantError):
    """The user, or a page without that action, said no; raised inside a handler at its `ask`."""

    code = "action_failed"
    message = "The action was denied."
