"""How often a user may ask, per mode: flask-limiter, reused from the app when it has one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, g, request
from flask_limiter import Limiter, RateLimitExceeded

from ..config import Settings
from ..errors import RateLimited, StoreUnavailable

log = logging.getLogger("assistant.limits")

# Guest tokens an address may ask for (protocol, The rest).
_SESSION_RATE = "60/minute"
# Cancels a user may send: a person cannot, a loop that went wrong can.
_CANCEL_RATE = "120/minute"
# A mode without a rate of its own.
_OTHER_RATE = "60/minute"


class Limits:
    """The request rates of one app; the number of running requests is the registry's business."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._limiter = _limiter_of(app)
        self._rates = settings.rates
        self._modes: dict[str, Any] = {}
        self._session = self._limiter.limit(_SESSION_RATE, key_func=_address, scope="assistant-session")
        self._cancel = self._limiter.limit(_CANCEL_RATE, key_func=_user, scope="assistant-cancel")

    def exempt(self, view: Callable[..., object]) -> None:
        """Keeps the app's default rates away from a route of ours: what we count, we count inside the view."""
        self._limiter.exempt(view)

    def check_mode(self, mode: str) -> None:
        """Counts a POST of the current user. Raises RateLimited."""
        if mode not in self._modes:  # only registered modes get here, so this stays small
            rate = self._rates.get(mode, _OTHER_RATE)
            self._modes[mode] = self._limiter.limit(rate, key_func=_user, scope=f"assistant-{mode}")
        self._check(self._modes[mode], mode=mode)

    def check_cancel(self) -> None:
        """Counts a cancel of the current user. Raises RateLimited."""
        self._check(self._cancel)

    def check_session(self) -> None:
        """Counts a guest token for the caller's address. Raises RateLimited."""
        self._check(self._session)

    def _check(self, limit: Any, **facts: Any) -> None:
        try:
            with limit:
                return
        except RateLimitExceeded as problem:
            current = self._limiter.current_limit
            wait = max(1.0, current.reset_at - time.time()) if current else 1.0
            if problem.limit:
                facts["limit"] = problem.limit.limit.amount
            raise RateLimited(retry_after=round(wait, 3), scope="rate", **facts) from None
        except Exception as problem:  # the app's own limiter, without its store and without a fallback
            log.exception("a rate could not be counted")
            raise StoreUnavailable(retry_after=5.0) from problem


def _limiter_of(app: Flask) -> Limiter:
    found = app.extensions.get("limiter")
    if found:
        limiter: Limiter = next(iter(found))
        return limiter
    app.config.setdefault("RATELIMIT_STORAGE_URI", "memory://")
    # fixed-window: the moving window never frees its keys in memory
    app.config.setdefault("RATELIMIT_STRATEGY", "fixed-window")
    app.config.setdefault("RATELIMIT_HEADERS_ENABLED", False)
    # a store that is down must not stop the server: each worker counts for itself meanwhile
    app.config.setdefault("RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", True)
    return Limiter(_address, app=app)


def _user() -> str:
    user: str = g.assistant_user
    return user


def _address() -> str:
    return request.remote_addr or "unknown"
