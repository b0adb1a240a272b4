"""The counters of request rates."""

from __future__ import annotations

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from assistant.web import counters
from assistant.web.counters import CounterStorage


class Wall:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(counters, "time", wall)
    return wall


def test_a_window_begins_with_its_first_count_and_ends_by_itself(wall: Wall) -> None:
    storage = CounterStorage()

    assert [storage.incr("ann", 60) for _ in range(3)] == [1, 2, 3]
    wall.now += 59.9
    assert storage.get("ann") == 3
    assert storage.get_expiry("ann") == 1_000_060.0
    wall.now += 0.2

    assert storage.get("ann") == 0
    assert storage.incr("ann", 60) == 1


def test_what_is_over_is_forgotten(wall: Wall) -> None:
    storage = CounterStorage()
    for number in range(1000):
        storage.incr(f"user{number}", 30)

    wall.now += 61
    storage.incr("ann", 30)

    assert len(storage._counters) == 1


def test_counters_can_be_cleared(wall: Wall) -> None:
    storage = CounterStorage()
    storage.incr("ann", 60)
    storage.incr("bob", 60)

    storage.clear("ann")
    storage.clear("nobody")

    assert (storage.get("ann"), storage.get("bob")) == (0, 1)
    assert storage.reset() == 1
    assert storage.check()


def test_limits_finds_it_by_its_scheme_and_counts_with_it() -> None:
    storage = storage_from_string("assistant-memory://")
    limiter, rate = FixedWindowRateLimiter(storage), parse("3/hour")

    admitted = [limiter.hit(rate, "ann", "chat") for _ in range(5)]

    assert isinstance(storage, CounterStorage)
    assert admitted == [True, True, True, False, False]
    assert limiter.hit(rate, "bob", "chat")
