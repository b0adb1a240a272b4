"""What a token says before anybody has checked it: only to tell whose fault it is that it could not be checked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask_jwt_extended.exceptions import JWTExtendedException
from flask_jwt_extended.view_decorators import _decode_jwt_from_cookies, _decode_jwt_from_headers
from jwt import decode, get_unverified_header
from jwt.exceptions import PyJWTError

# What a token may say by the standards (RFC 7515, section 4.1.4; RFC 7519, section 4.1).
_NAMES = frozenset({"kid", "iss", "sub", "aud", "exp", "nbf", "iat", "jti"})


def names_nothing_known(problem: Exception, locations: list[str]) -> bool:
    """Whether a failure of the app's own loader says that its table has no entry for what the token names.

    `keys[header["kid"]]` is how a key loader is written: a KeyError for a value of the token, or for a standard name
    that the token lacks, is the token's fault. Any other failure is the loader's.
    """
    if not isinstance(problem, KeyError) or not problem.args:
        return False
    missing = problem.args[0]
    if not (said := _unverified(locations)):
        return False
    if (kid := said.get("kid")) and str(missing).endswith(f": {kid}"):  # how a PyJWKSet says it
        return True
    return missing in said.values() or (missing in _NAMES and missing not in said)


def _unverified(locations: list[str]) -> dict[str, Any]:
    """What the header and the claims of the current request's token say, believed by nobody yet."""
    read: dict[str, Any] = {
        "headers": _decode_jwt_from_headers,
        "cookies": lambda: _decode_jwt_from_cookies(refresh=False),
    }
    for place in locations:
        with suppress(JWTExtendedException, PyJWTError):
            token, _ = read[place]()
            claims: dict[str, Any] = decode(token, options={"verify_signature": False})
            return claims | get_unverified_header(token)
    return {}
