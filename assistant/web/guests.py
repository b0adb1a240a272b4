"""Guests: a visitor's token, and the cookie that makes a visitor the same guest again."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import orjson
from flask import Response, current_app, request
from flask_jwt_extended.config import config
from flask_jwt_extended.tokens import _encode_jwt
from itsdangerous import BadSignature, TimestampSigner

from ..errors import Misconfigured

log = logging.getLogger("assistant.guests")

_COOKIE = "assistant_guest"
# Life of a guest's token and of the cookie that makes a visitor the same guest again; seconds (protocol, The rest).
_TOKEN_LIFE = 15 * 60
_COOKIE_AGE = 24 * 3600


def session(prefix: str) -> Response:
    """A token for a visitor, the same guest as before when the cookie says so. Raises Misconfigured."""
    guest = _known_guest() or f"guest:{uuid.uuid4()}"
    try:
        token = _token(guest)
    except Exception as problem:  # the app's own loaders of keys and headers may expect one of its users
        log.exception("a guest's token could not be signed")
        raise Misconfigured from problem
    body = {"access_token": token, "token_type": "Bearer", "expires_in": _TOKEN_LIFE, "user_id": guest}
    response = Response(orjson.dumps(body), status=201, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        _COOKIE,
        _signer().sign(guest).decode(),
        max_age=_COOKIE_AGE,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
        path=request.script_root + prefix or "/",
    )
    return response


def _token(guest: str) -> str:
    """An access token for a visitor, signed as the app signs its own.

    What create_access_token does, without the app's loaders of identities and claims: those are about the app's users.
    """
    manager: Any = current_app.extensions["flask-jwt-extended"]
    return _encode_jwt(
        algorithm=config.algorithm,
        audience=config.encode_audience,
        claim_overrides={},
        csrf=config.cookie_csrf_protect,
        expires_delta=timedelta(seconds=_TOKEN_LIFE),
        fresh=False,
        header_overrides=manager._jwt_additional_header_callback(guest),
        identity=guest,
        identity_claim_key=config.identity_claim_key,
        issuer=config.encode_issuer,
        json_encoder=config.json_encoder,
        secret=manager._encode_key_callback(guest),
        token_type="access",
        nbf=config.encode_nbf,
    )


def _known_guest() -> str | None:
    try:
        guest = _signer().unsign(request.cookies.get(_COOKIE, ""), max_age=_COOKIE_AGE).decode()
    except (BadSignature, UnicodeDecodeError):
        return None
    return guest if guest.startswith("guest:") else None


def _signer() -> TimestampSigner:
    get = current_app.config.get  # what signs the guests' tokens signs their cookie, so that every worker knows it
    return TimestampSigner(
        get("JWT_SECRET_KEY") or get("JWT_PRIVATE_KEY") or current_app.secret_key or b"",
        salt=_COOKIE,
    )
