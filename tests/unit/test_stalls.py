"""StallMonitor: what keeps the loop is seen, with its stack, and what does not is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from assistant.signals import loop_blocked, loop_ticked
from assistant.stalls import StallMonitor

_LIMIT = 0.1


class Heard:
    def __init__(self) -> None:
        self.blocked: list[tuple[float, list[str]]] = []
        self.lags: list[float] = []

    def on_block(self, _: Any, *, seconds: float, stack: list[str]) -> None:
        self.blocked.append((seconds, stack))

    def on_tick(self, _: Any, *, lag: float) -> None:
        self.lags.append(lag)

    def ticks(self, count: int) -> None:
        """Waits until the loop has ticked this often."""
        with gevent.Timeout(10):
            while len(self.lags) < count:
                gevent.sleep(0.01)


@contextmanager
def watched(limit: float = _LIMIT) -> Iterator[Heard]:
    heard, sender = Heard(), object()
    with loop_blocked.connected_to(heard.on_block, sender), loop_ticked.connected_to(heard.on_tick, sender):
        monitor = StallMonitor(limit, sender=sender)
        with monitor.watching():
            yield heard


def burn(seconds: float) -> None:
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        pass


def named(stack: list[str], function: Callable[..., Any]) -> bool:
    return any(line.endswith(f" {function.__qualname__}") and "test_stalls.py:" in line for line in stack)


def told_with_its_stack(keep: Callable[[float], None], function: Callable[..., Any]) -> bool:
    """Whether one of a few stalls names who kept the loop. Each is told; on a machine that is busy itself the loop may
    have stood still before the work began, and what was seen first is what is told."""
    for _ in range(5):
        with watched() as heard:
            heard.ticks(3)
            keep(0.5)
            heard.ticks(len(heard.lags) + 2)
        long = [stack for seconds, stack in heard.blocked if seconds >= 0.4]
        assert long
        if any(named(stack, function) for stack in long):
            return True
    return False


def test_whatever_keeps_the_loop_is_told_with_its_stack() -> None:
    assert told_with_its_stack(burn, burn)


def test_every_stall_above_the_limit_counts_wherever_it_begins() -> None:
    with watched() as heard:
        for number in range(8):
            heard.ticks(len(heard.lags) + 1)
            gevent.sleep(0.003 * number)  # at any place between two ticks
            before = len(heard.blocked)
            burn(_LIMIT + 0.005)
            heard.ticks(len(heard.lags) + 1)
            assert len(heard.blocked) > before, number


def test_a_stall_in_native_code_is_told_too() -> None:
    assert told_with_its_stack(gevent.monkey.get_original("time", "sleep"), told_with_its_stack)


def test_a_loop_that_is_well_is_told_to_be() -> None:
    """With a limit that a busy machine does not reach by itself."""
    with watched(limit=2.0) as heard:
        heard.ticks(2)

    assert heard.blocked == []
    assert all(lag >= 0 for lag in heard.lags)


def test_a_long_stall_is_told_while_it_lasts(capfd: pytest.CaptureFixture[str]) -> None:
    with watched() as heard:
        heard.ticks(1)
        burn(1.6)
        written = capfd.readouterr().err  # the loop has had no turn yet: this is the thread's

    assert "burn" in written
    assert written.count("loop.blocked") == 1


def test_zero_looks_at_nothing() -> None:
    with watched(limit=0) as heard:
        gevent.sleep(0.05)
        burn(0.15)
        gevent.sleep(0.05)

    assert heard.lags == heard.blocked == []


def test_the_thread_ends_with_the_watch() -> None:
    before = set(_threads())
    with watched() as heard:
        heard.ticks(1)
        assert len(set(_threads()) - before) == 1

    with gevent.Timeout(5):
        while set(_threads()) - before:
            gevent.sleep(0.02)


def _threads() -> list[str]:
    return os.listdir("/proc/self/task")
