"""What every test is held to: nothing of it may live on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from weakref import WeakSet

import flask
import gevent
import pytest
from greenlet import greenlet

from assistant.fiber import Fiber, Owner

_spawned: WeakSet[greenlet] = WeakSet()
gevent.Greenlet.add_spawn_callback(_spawned.add)


def _count_fibers() -> None:
    make = Fiber.__init__

    def counted(fiber: Fiber, owner: Owner) -> None:
        make(fiber, owner)
        _spawned.add(fiber)

    Fiber.__init__ = counted  # type: ignore[method-assign]


_count_fibers()

# A pytest-xdist worker waits for its next test on an event that a native thread sets, which the hub cannot see coming:
# between tests this timer is what the hub waits for. Within a test it is not there: a wait without an end is an error.
_between_tests = gevent.get_hub().loop.timer(3600.0, 3600.0)
_between_tests.start(lambda: None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    _between_tests.stop()
    try:
        return (yield)
    finally:
        _between_tests.start(lambda: None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes begin with what takes longest, so that none is still at it when the others have run out."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: "system" not in item.keywords)


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


def _alive() -> set[greenlet]:
    return {one for one in _spawned if not one.dead}
