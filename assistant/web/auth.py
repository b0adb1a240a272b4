"""Who calls: a JWT (header first, cookie where the app allows it), the team's own `identify`, or a guest.

flask-jwt-extended checks the token by the app's own JWT_* settings. What it leaves open is closed here: a token needs
`exp` and a usable `sub`, and there is one Authorization header. Nothing here changes a callback of the app's manager.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Request, g, request
from flask_jwt_extended import get_jwt_request_location
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWKClientConnectionError, PyJWKError, PyJWKSetError, PyJWTError
from werkzeug.exceptions import HTTPException

from ..config import Settings
from ..errors import AssistantError, Forbidden, NotFound, StoreUnavailable, Unauthorized
from .claims import names_nothing_known
from .tokens import VerifiedTokens

log = logging.getLogger("assistant.auth")

Identify = Callable[[], str | None]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TYPES = frozenset({"JWT", "AT+JWT"})  # RFC 8725, section 3.11: a token made for something else is refused
_USER_CHARS = 255
# Longest token that is looked at: several times that of a full set of claims; characters.
_TOKEN_CHARS = 16 * 1024
# What PyJWKClient, where a loader asks a key server with it, raises about that server and not about the token.
_KEYS_AWAY = (PyJWKClientConnectionError, PyJWKError, PyJWKSetError)
# Latest end of a token that is a moment at all: the last second of the year 9999; seconds since 1970.
_LAST_MOMENT = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `token_ends` is a monotonic moment in seconds; None when the login has no end we know."""

    user_id: str
    token_ends: float | None = None


class Authenticator:
    """Knows the caller of the current request. `identify` replaces JWT where a team has its own login."""

    def __init__(self, app: Flask, settings: Settings, identify: Identify | None = None) -> None:
        self._settings = settings
        self._config = app.config
        self._identify = identify
        self.by_token = identify is None  # whether JWTs say who calls
        self._leeway = _seconds(app.config.get("JWT_DECODE_LEEWAY", 0))
        self._tokens = VerifiedTokens(app)

    def caller(self, request: Request) -> Caller:
        """Who makes the current request, which this is. Raises Unauthorized, Forbidden, StoreUnavailable."""
        caller = self._token(request) if self._identify is None else self._own_login(self._identify)
        g.assistant_user = caller.user_id
        return caller

    def admit_guest(self) -> None:
        """Whether a visitor may ask for a token at all. Raises NotFound, Forbidden."""
        if not self._settings.guests or self._identify is not None:
            raise NotFound("There is no guest access.")
        self._check_origin()

    def _own_login(self, identify: Identify) -> Caller:
        try:
            user_id = identify()
        except (AssistantError, HTTPException):  # an answer of the team's own
            raise
        except Exception as problem:
            raise _uncheckable() from problem
        if user_id is None:
            raise Unauthorized
        if request.cookies:
            self._check_origin(required=True)
        return Caller(_usable(user_id))

    def _token(self, request: Request) -> Caller:
        locations = self._locations()
        self._refuse_unreadable(request, locations)
        try:
            verified = self._tokens.verify(request, locations)
        except _KEYS_AWAY as problem:
            raise _uncheckable() from problem
        except (JWTExtendedException, PyJWTError):
            raise Unauthorized from None
        except Exception as problem:  # the app's own key loader, block list or user lookup
            if names_nothing_known(problem, locations):
                raise Unauthorized from None
            raise _uncheckable() from problem
        if verified is None:
            raise Unauthorized
        header, claims = verified
        if str(header.get("typ", "JWT")).upper() not in _TYPES:
            raise Unauthorized
        if get_jwt_request_location() == "cookies":
            self._check_origin(required=True)
        return Caller(_usable(claims.get(self._config["JWT_IDENTITY_CLAIM"])), self._end_of(claims))

    def _end_of(self, claims: dict[str, object]) -> float:
        """When the token ends; its leeway counts only for a stream opened within it, or that would end at once."""
        ends = claims.get("exp")
        if not isinstance(ends, (int, float)) or not 0 <= ends <= _LAST_MOMENT:
            raise Unauthorized
        left = ends - time.time()
        return time.monotonic() + (left if left > 0 else left + self._leeway)

    def _locations(self) -> list[str]:
        allowed = self._config["JWT_TOKEN_LOCATION"]
        return [place for place in ("headers", "cookies") if place in allowed] or ["headers"]

    def _refuse_unreadable(self, request: Request, locations: list[str]) -> None:
        """Raises Unauthorized for what the libraries below would stumble over: two headers, a huge token, odd bytes."""
        config, headers = self._config, request.headers
        header = headers.get(config["JWT_HEADER_NAME"], "")
        cookie = request.cookies.get(config["JWT_ACCESS_COOKIE_NAME"], "") if "cookies" in locations else ""
        proof = headers.get(config["JWT_ACCESS_CSRF_HEADER_NAME"], "")
        if "," in header or len(header) > _TOKEN_CHARS or len(cookie) > _TOKEN_CHARS or not proof.isascii():
            raise Unauthorized

    def _check_origin(self, required: bool = False) -> None:
        """Browsers name the page that calls on every unsafe request; a foreign one must not use our cookie."""
        if request.method in _SAFE:
            return
        origin = request.headers.get("Origin")
        if origin is None and not required:
            return
        if origin is None or not (origin in self._settings.origins or _host_of(origin) == request.host):
            raise Forbidden("This page may not act for the user.")


def _uncheckable() -> StoreUnavailable:
    """What the app needs to know its users has failed; logged here, inside its `except`."""
    log.exception("a login could not be checked")
    return StoreUnavailable("The login cannot be checked right now.", retry_after=5.0)


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _usable(user_id: object) -> str:
    """A user id that can be a key and a log field."""
    if not isinstance(user_id, str) or not 0 < len(user_id) <= _USER_CHARS or not user_id.isprintable():
        raise Unauthorized
    return user_id


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
