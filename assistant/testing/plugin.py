"""A pytest plugin: `pytest -p assistant.testing.plugin`, in addopts for good.

It patches first, which conftest.py is too late for, and brings two fixtures: `assistant_app`, a stand-alone app that ends
with the test, and `assistant_client`, a user of it. Override `assistant_extension` to test your own modes and actions, and
`assistant_config` for settings.
"""

from gevent import monkey

monkey.patch_all()  # before pytest loads what makes locks

import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import pytest  # noqa: E402

if TYPE_CHECKING:
    from flask import Flask

    from ..extension import Assistant
    from .client import AssistantClient

# A handler that hangs ends in an error instead of holding the test run; seconds.
_LIMITS = {"ASSISTANT_DEADLINE": 30.0, "ASSISTANT_FIRST_CHUNK_TIMEOUT": 15.0, "ASSISTANT_UNWATCHED_TIMEOUT": 30.0}
# How long requests may take to end with their test; seconds.
_PATIENCE = 5.0


@pytest.fixture
def assistant_extension() -> "Assistant":
    """The Assistant under test: the built-in modes, and a model that says `Hello.`"""
    from ..extension import Assistant
    from .scripted import ScriptedProvider

    return Assistant(provider=ScriptedProvider())


@pytest.fixture
def assistant_config() -> dict[str, Any]:
    """Settings of the app under test."""
    return {}


@pytest.fixture
def assistant_app(
    assistant_extension: "Assistant", assistant_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Flask]":
    """A stand-alone app around `assistant_extension`; what still runs in it when the test ends is stopped."""
    from .apps import make_app

    app = make_app(assistant_extension, **{**_LIMITS, **assistant_config})
    web = app.extensions["assistant"]
    web.janitor.ensure()
    yield app
    web.service.stop_all("draining")
    ends = time.monotonic() + _PATIENCE
    while not web.service.idle and time.monotonic() < ends:
        time.sleep(0.005)
    web.janitor.close()
    assert web.service.idle, "a handler ignored its stop"


@pytest.fixture
def assistant_client(assistant_app: "Flask") -> "AssistantClient":
    """The user `tester` of `assistant_app`."""
    from .client import AssistantClient

    return AssistantClient(assistant_app)
