"""Who calls: a JWT (header first, cookie where the app allows it), the team's own `identify`, or a guest.

flask-jwt-extended checks the token by the app's own JWT_* settings. What it leaves open is closed here: a token needs
`exp` and a usable `sub`, and there is one Authorization header. Nothing here changes a callback of the app's manager.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import create_access_token, get_jwt_request_location
from flask_jwt_extended.exceptions import JWTExtendedException
from itsdangerous import BadSignature, TimestampSigner
from jwt.exceptions import PyJWTError
from werkzeug.exceptions import HTTPException

from ..config import Settings
from ..errors import AssistantError, Forbidden, NotFound, StoreUnavailable, Unauthorized
from .tokens import VerifiedTokens

log = logging.getLogger("assistant.auth")

Identify = Callable[[], str | None]

GUEST_COOKIE = "assistant_guest"
# Life of a guest's token and of the cookie that makes a visitor the same guest again; seconds (protocol, The rest).
GUEST_TOKEN = 15 * 60
GUEST_COOKIE_AGE = 24 * 3600

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TYPES = frozenset({"JWT", "AT+JWT"})  # RFC 8725, section 3.11: a token made for something else is refused
_USER_CHARS = 255
# Longest token that is looked at: several times that of a full set of claims; characters.
_TOKEN_CHARS = 16 * 1024
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
        self._identify = identify
        self._leeway = _seconds(app.config.get("JWT_DECODE_LEEWAY", 0))
        self._tokens = VerifiedTokens()

    def caller(self) -> Caller:
        """The caller of the current request. Raises Unauthorized, Forbidden, StoreUnavailable."""
        caller = self._token() if self._identify is None else self._own_login(self._identify)
        g.assistant_user = caller.user_id
        return caller

    def admit_guest(self) -> None:
        """Whether a visitor may ask for a token at all. Raises NotFound, Forbidden."""
        if not self._settings.guests or self._identify is not None:
            raise NotFound("There is no guest access.")
        self._check_origin()

    def guest_session(self) -> Response:
        """A token for a visitor, the same guest as before when the cookie says so."""
        guest = self._known_guest() or f"guest:{uuid.uuid4()}"
        token = create_access_token(guest, expires_delta=timedelta(seconds=GUEST_TOKEN))
        body = {"access_token": token, "token_type": "Bearer", "expires_in": GUEST_TOKEN, "user_id": guest}
        response = Response(orjson.dumps(body), status=201, mimetype="application/json")
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(
            GUEST_COOKIE,
            self._signer().sign(guest).decode(),
            max_age=GUEST_COOKIE_AGE,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
            path=request.script_root + self._settings.url_prefix or "/",
        )
        return response

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

    def _token(self) -> Caller:
        locations = self._locations()
        _refuse_unreadable(locations)
        try:
            verified = self._tokens.verify(locations)
        # LookupError: the app keeps its keys in a dict, and the token names none of them
        except (JWTExtendedException, PyJWTError, LookupError):
            raise Unauthorized from None
        except Exception as problem:  # the app's own key loader, block list or user lookup
            raise _uncheckable() from problem
        if verified is None:
            raise Unauthorized
        header, claims = verified
        if str(header.get("typ", "JWT")).upper() not in _TYPES:
            raise Unauthorized
        if get_jwt_request_location() == "cookies":
            self._check_origin(required=True)
        return Caller(_usable(claims.get(current_app.config["JWT_IDENTITY_CLAIM"])), self._end_of(claims))

    def _end_of(self, claims: dict[str, object]) -> float:
        """When the token ends; its leeway counts only for a stream opened within it, or that would end at once."""
        ends = claims.get("exp")
        if not isinstance(ends, (int, float)) or not 0 <= ends <= _LAST_MOMENT:
            raise Unauthorized
        left = ends - time.time()
        return time.monotonic() + (left if left > 0 else left + self._leeway)

    def _locations(self) -> list[str]:
        allowed = current_app.config["JWT_TOKEN_LOCATION"]
        return [place for place in ("headers", "cookies") if place in allowed] or ["headers"]

    def _check_origin(self, required: bool = False) -> None:
        """Browsers name the page that calls on every unsafe request; a foreign one must not use our cookie."""
        if request.method in _SAFE:
            return
        origin = request.headers.get("Origin")
        if origin is None and not required:
            return
        if origin is None or not (origin in self._settings.origins or _host_of(origin) == request.host):
            raise Forbidden("This page may not act for the user.")

    def _known_guest(self) -> str | None:
        try:
            guest = self._signer().unsign(request.cookies.get(GUEST_COOKIE, ""), max_age=GUEST_COOKIE_AGE).decode()
        except (BadSignature, UnicodeDecodeError):
            return None
        return guest if guest.startswith("guest:") else None

    def _signer(self) -> TimestampSigner:
        config = current_app.config  # what signs the guests' tokens signs their cookie, so that every worker knows it
        return TimestampSigner(
            config.get("JWT_SECRET_KEY") or config.get("JWT_PRIVATE_KEY") or current_app.secret_key or b"",
            salt=GUEST_COOKIE,
        )


def _refuse_unreadable(locations: list[str]) -> None:
    """Raises Unauthorized for what the libraries below would stumble over: two headers, a huge token, odd bytes."""
    config, headers = current_app.config, request.headers
    header = headers.get(config["JWT_HEADER_NAME"], "")
    cookie = request.cookies.get(config["JWT_ACCESS_COOKIE_NAME"], "") if "cookies" in locations else ""
    proof = headers.get(config["JWT_ACCESS_CSRF_HEADER_NAME"], "")
    if "," in header or len(header) > _TOKEN_CHARS or len(cookie) > _TOKEN_CHARS or not proof.isascii():
        raise Unauthorized


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
