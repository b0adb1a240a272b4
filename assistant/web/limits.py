"""How often a user may ask, per mode: flask-limiter, reused from the app when it has one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, g, request
from flask_limiter import Limiter, RateLimitExceeded
from limits import parse_many

from ..config import ConfigError, Settings
from ..errors import RateLimited, StoreUnavailable
from ..signals import emit, limits_changed
from .counters import CounterStorage

log = logging.getLogger("assistant.limits")

# Guest tokens an address may ask for (protocol, The rest).
_SESSION_RATE = "60/minute"
# Cancels a user may send: a person cannot, a loop that went wrong can.
_CANCEL_RATE = "120/minute"
# A mode without a rate of its own.
_OTHER_RATE = "60/minute"


class _Rate:
    """One counted thing: a limit string such as `60/minute`, and whom it counts for."""

    def __init__(self, limiter: Limiter, rate: str, scope: str, who: Callable[[], str]) -> None:
        self.items = parse_many(rate)
        self.scope = scope
        self.who = who
        self.guarded = limiter.limit(rate, key_func=who, scope=scope)


class Limits:
    """The request rates of one app; the number of running requests is the registry's business."""

    def __init__(self, app: Flask, settings: Settings, storage: dict[str, Any] | None = None) -> None:
        """`storage` is where to count unless the app says so: `storage_uri` and `storage_options` of flask-limiter.
        Raises ConfigError."""
        self._app = app
        self._limiter = _limiter_of(app, storage)
        self._shared = True
        self._modes = {mode: self._rate_of(mode, rate) for mode, rate in settings.rates.items()}
        self._session = _Rate(self._limiter, _SESSION_RATE, "assistant-session", _address)
        self._cancel = _Rate(self._limiter, _CANCEL_RATE, "assistant-cancel", _user)

    def _rate_of(self, mode: str, rate: str) -> _Rate:
        try:
            return _Rate(self._limiter, rate, f"assistant-{mode}", _user)
        except ValueError:
            raise ConfigError(f"ASSISTANT_RATES: {mode}={rate} is no rate; write {mode}=60/minute") from None

    def exempt(self, view: Callable[..., object]) -> None:
        """Keeps the app's default rates away from a route of ours: what we count, we count inside the view."""
        self._limiter.exempt(view)

    def check_mode(self, mode: str) -> None:
        """Counts a POST of the current user. Raises RateLimited."""
        if mode not in self._modes:  # only registered modes get here, so this stays small
            self._modes[mode] = self._rate_of(mode, _OTHER_RATE)
        self._check(self._modes[mode], mode=mode)

    def check_cancel(self) -> None:
        """Counts a cancel of the current user. Raises RateLimited."""
        self._check(self._cancel)

    def check_session(self) -> None:
        """Counts a guest token for the caller's address. Raises RateLimited."""
        self._check(self._session)

    def _check(self, rate: _Rate, **facts: Any) -> None:
        limiter = self._limiter
        if not limiter.enabled or any(skip() for skip in limiter._request_filters):
            return
        if limiter._storage_dead:
            self._check_guarded(rate, facts)
            return
        strategy = limiter.limiter
        names = [name for name in (limiter._key_prefix, rate.who(), rate.scope) if name]
        try:
            for item in rate.items:
                if not strategy.hit(item, *names):
                    raise _refused(item.amount, strategy.get_window_stats(item, *names).reset_time, facts)
        except RateLimited:
            raise
        except Exception:
            self._check_guarded(rate, facts)

    def _check_guarded(self, rate: _Rate, facts: dict[str, Any]) -> None:
        """The same by the extension's own way, which costs ten times as much and knows what to do without its store."""
        try:
            with rate.guarded:
                self._tell()
                return
        except RateLimitExceeded:
            current = self._limiter.current_limit
            amount, reset = (current.limit.amount, current.reset_at) if current else (None, time.time() + 1)
            raise _refused(amount, reset, facts) from None
        except Exception as problem:  # the app's own limiter, without its store and without a fallback
            log.exception("a rate could not be counted")
            raise StoreUnavailable(retry_after=5.0) from problem

    def _tell(self) -> None:
        """Says once when rates begin to be counted by each worker for itself, and once when they are shared again."""
        shared = not self._limiter._storage_dead
        if shared != self._shared:
            self._shared = shared
            if shared:
                log.warning("request rates are counted together again")
            else:
                log.warning("the store of request rates cannot be reached: each worker counts for itself")
            emit(limits_changed, self._app, shared=shared)


def _refused(amount: int | None, reset: float, facts: dict[str, Any]) -> RateLimited:
    wait = max(1.0, reset - time.time())
    if amount is not None:
        facts = {**facts, "limit": amount}
    return RateLimited(retry_after=round(wait, 3), scope="rate", **facts)


def _limiter_of(app: Flask, storage: dict[str, Any] | None) -> Limiter:
    found = app.extensions.get("limiter")
    if found:
        limiter: Limiter = next(iter(found))
        return limiter
    # fixed-window: the moving window never frees its keys in memory
    app.config.setdefault("RATELIMIT_STRATEGY", "fixed-window")
    app.config.setdefault("RATELIMIT_HEADERS_ENABLED", False)
    # a store that is down must not stop the server: each worker counts for itself meanwhile
    app.config.setdefault("RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", True)
    # ours knows fixed windows only, and is not for a limiter of the app's own: its name stays out of the app's config
    fixed = app.config["RATELIMIT_STRATEGY"] == "fixed-window"
    ours = f"{CounterStorage.STORAGE_SCHEME[0]}://" if fixed else "memory://"
    named = app.config.get("RATELIMIT_STORAGE_URI")
    limiter = Limiter(_address, **(storage if storage and not named else {"storage_uri": named or ours}))
    # it is known before it is started, and so hooks itself into no request: our views call it
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    return limiter


def _user() -> str:
    user: str = g.assistant_user
    return user


def _address() -> str:
    return request.remote_addr or "unknown"
