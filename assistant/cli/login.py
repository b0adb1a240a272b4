"""A login for the commands: a token such as the app makes for its users."""

from __future__ import annotations

from datetime import timedelta

import click
from flask_jwt_extended import create_access_token


def minted(user: str, life: timedelta | None = None) -> str:
    """An access token for a user, good for `life`, or for as long as the app's own. Raises click.ClickException where the
    app makes none for a name alone."""
    try:
        token: str = create_access_token(user, expires_delta=life)
    except (
        Exception
    ) as problem:  # the app has no such tokens, or its loaders of identities, claims and keys expect its users
        raise click.ClickException(
            f"this app makes no token for a name alone ({type(problem).__name__}: {problem}). "
            "Make one where it logs its users in, with create_access_token(user)."
        ) from None
    return token
