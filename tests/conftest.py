"""What every test is held to: nothing of it may live on."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakSet

import flask
import gevent
import pytest

_spawned: WeakSet[gevent.Greenlet] = WeakSet()
gevent.Greenlet.add_spawn_callback(_spawned.add)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test that leaves a greenlet or a pushed context; those that are ending are given a moment."""
    before = _alive()
    yield
    with gevent.Timeout(2.0, False):
        while _alive() - before:
            gevent.sleep(0.005)
    assert not (left := _alive() - before), f"greenlets left running: {left}"
    assert not flask.has_app_context(), "an app context was left pushed"


def _alive() -> set[gevent.Greenlet]:
    return {one for one in _spawned if not one.dead}
