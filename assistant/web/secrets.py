"""Secrets that are none: too short, or known to everybody who has read a manual."""

from __future__ import annotations

import re

from ..config import ConfigError

# Shortest secret for HS256: as long as its hash (RFC 7518, section 3.2); bytes.
SECRET_BYTES = 32
# Random text of that length has more different characters than this (hexadecimal: sixteen, nearly always).
_FEWEST_CHARACTERS = 8
_EXAMPLE = re.compile(rb"change.{0,8}me|change.{0,3}this|replace.{0,3}(me|this)|your.{0,3}secret|placeholder", re.I)
# The secret key of Flask's own tutorial.
_PUBLISHED = frozenset({b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"})
_REMEDY = "python -c 'import secrets; print(secrets.token_hex())'"


def check_secret(secret: str | bytes | None, *, examples: bool = False) -> None:
    """Raises ConfigError, which does not tell the secret, when anyone could sign with it. `examples` lets one from a manual
    pass: while developing."""
    raw = secret.encode() if isinstance(secret, str) else secret or b""
    if len(raw) < SECRET_BYTES:
        raise ConfigError(f"JWT_SECRET_KEY needs at least {SECRET_BYTES} bytes: {_REMEDY}")
    if not examples and (_EXAMPLE.search(raw) or raw in _PUBLISHED or len(set(raw)) < _FEWEST_CHARACTERS):
        raise ConfigError(f"JWT_SECRET_KEY is an example and not a secret: {_REMEDY}")
