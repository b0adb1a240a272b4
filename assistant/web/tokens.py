"""VerifiedTokens: a token's signature is checked once, everything that may change about it on every request.

Checking a JWT costs more than all the rest of a POST's work, and a client sends the same one again and again.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Flask, Request, g
from flask_jwt_extended import verify_jwt_in_request
from flask_jwt_extended.config import config
from flask_jwt_extended.exceptions import RevokedTokenError, UserClaimsVerificationError
from flask_jwt_extended.internal_utils import verify_token_type
from flask_jwt_extended.tokens import _decode_jwt
from flask_jwt_extended.view_decorators import _decode_jwt_from_headers
from jwt.utils import base64url_decode

# Most tokens remembered; beyond that all are forgotten, which costs each one check.
_MOST = 10_000
# What else the outcome of a check depends on.
_SETTINGS = (
    "JWT_SECRET_KEY", "SECRET_KEY", "JWT_PUBLIC_KEY", "JWT_ALGORITHM", "JWT_DECODE_ISSUER", "JWT_DECODE_AUDIENCE",
    "JWT_HEADER_TYPE", "JWT_IDENTITY_CLAIM", "JWT_DECODE_ALGORITHMS", "JWT_VERIFY_SUB",
)  # fmt: skip


Verified = tuple[dict[str, Any], dict[str, Any]]


class VerifiedTokens:
    """Tokens from the Authorization header whose signature and claims have been found good."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # marshalled: a quarter of the memory, and a copy of its own for each request
        self._known: dict[bytes, bytes] = {}
        self._checked_by: list[Any] = []  # the settings that what is known was checked against

    def verify(self, request: Request, locations: list[str]) -> Verified | None:
        """The header and the claims of the token of the current request, which this is. Raises what flask-jwt-extended raises.

        Expiry, the app's block list and its own claims check hold on every request; a manager that looks keys or users
        up by itself is asked every time.
        """
        manager: Any = self._app.extensions["flask-jwt-extended"]
        settings = self._app.config
        header = _lone_header(request, settings) if "headers" in locations else None
        if header is None or not _may_remember(manager):
            verified: Verified | None = verify_jwt_in_request(locations=locations)
            return verified
        known = self._remembered(header, settings)
        if manager._token_in_blocklist_callback(*known):
            raise RevokedTokenError(*known)
        if not manager._token_verification_callback(*known):
            raise UserClaimsVerificationError("the claims of a token were refused", *known)
        _publish(known)
        return known

    def _remembered(self, header: str, settings: Mapping[str, Any]) -> Verified:
        checked_by = [settings.get(name) for name in _SETTINGS]
        if checked_by != self._checked_by:  # another key, another outcome
            self._known, self._checked_by = {}, checked_by
        name = hashlib.sha256(header.encode("utf-8", "surrogatepass")).digest()  # the token itself is kept nowhere
        if (kept := self._known.get(name)) is not None:
            known: Verified = marshal.loads(kept)
            if _still_valid(known[1], settings):
                return known
            del self._known[name]
        known = _decoded()
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[name] = marshal.dumps(known)
        return known


def _decoded() -> Verified:
    """The header and the claims of the token in the Authorization header, checked with the app's fixed key.

    What verify_jwt_in_request does, without the passes that only a key loader needs: it decodes a token four times."""
    token, _ = _decode_jwt_from_headers()
    claims = _decode_jwt(
        algorithms=config.decode_algorithms,
        allow_expired=False,
        audience=config.decode_audience,
        csrf_value="",
        encoded_token=token,
        identity_claim_key=config.identity_claim_key,
        issuer=config.decode_issuer,
        leeway=config.leeway,
        secret=config.decode_key,
        verify_aud=config.decode_audience is not None,
        verify_sub=config.verify_sub,
    )
    verify_token_type(claims, refresh=False)
    # the signature covers it, so it can be read alone: PyJWT would take the whole token apart once more
    header, _, _ = token.partition(".")
    return json.loads(base64url_decode(header)), claims


def _lone_header(request: Request, settings: Mapping[str, Any]) -> str | None:
    """The header with the login; None without one, or with a login in a cookie as well: which of the two counts is the
    extension's business."""
    headers = request.headers
    given: str | None = headers.get(settings["JWT_HEADER_NAME"])
    if not given or ("Cookie" in headers and settings["JWT_ACCESS_COOKIE_NAME"] in request.cookies):
        return None
    return given


def _may_remember(manager: Any) -> bool:
    return manager._user_lookup_callback is None and not own_key_loader(manager)


def own_key_loader(manager: Any) -> bool:
    """Whether the app looks keys up by itself, as rotating ones need."""
    return str(manager._decode_key_callback.__module__) != "flask_jwt_extended.default_callbacks"


def _still_valid(claims: dict[str, Any], settings: Mapping[str, Any]) -> bool:
    leeway = settings.get("JWT_DECODE_LEEWAY", 0)
    ends = claims.get("exp")
    seconds = leeway.total_seconds() if isinstance(leeway, timedelta) else float(leeway)
    return isinstance(ends, (int, float)) and time.time() < ends + seconds


def _publish(verified: Verified) -> None:
    """What verify_jwt_in_request leaves for get_jwt() and its like."""
    found = g._get_current_object()  # once: each use of `g` looks it up anew
    found._jwt_extended_jwt_header, found._jwt_extended_jwt = verified
    found._jwt_extended_jwt_user = None
    found._jwt_extended_jwt_location = "headers"
