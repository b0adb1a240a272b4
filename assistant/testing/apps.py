"""An app without a network, and the messages of a stream's body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask

from .. import sse
from ..app import create_app
from ..extension import Assistant

# Long enough for HS256, and known to every test.
SECRET = "a-secret-for-tests-that-is-long-enough"


def parse_sse(blocks: Iterable[bytes] | bytes) -> list[sse.Message]:
    """The messages of a stream's body."""
    return list(sse.decode([blocks] if isinstance(blocks, bytes) else blocks))


def make_app(assistant: Assistant | None = None, **config: Any) -> Flask:
    """A stand-alone app for tests: a fixed secret, guests on, an unhurried demo replaced by `assistant.provider`."""
    return create_app(
        {"JWT_SECRET_KEY": SECRET, "ASSISTANT_GUESTS": True, "TESTING": True, **config}, assistant=assistant
    )
