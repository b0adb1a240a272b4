"""StallMonitor: what keeps the loop is seen, with its stack, and what does not is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event

from assistant.signals import loop_blocked, loop_ticked
from assistant.stalls import StallMonitor

_LIMIT = 0.1


class Heard:
    def __init__(self) -> None:
        self.blocked: list[tuple[float, list[str]]] = []
        self.lags: list[float] = []
        self._told = Event()

    def on_block(self, _: Any, *, seconds: float, stack: list[str]) -> None:
        self.blocked.append((seconds, stack))

    def on_tick(self, _: Any, *, lag: float) -> None:
        self.lags.append(lag)
        self._told.set()

    def more(self) -> None:
        """Waits until the loop has told of another look."""
        self._told.clear()
        assert self._told.wait(10)
        gevent.sleep(0)  # the looks before it are told in one go


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


def hold(seconds: float) -> None:
    """One call in C, in which no thread can look."""
    some = 1_000_000
    begun = time.process_time()
    sum(range(some))
    sum(range(int(some * seconds / (time.process_time() - begun))))


def named(stack: list[str], function: Callable[..., Any]) -> bool:
    return any(line.endswith(f" {function.__qualname__}") and "test_stalls.py:" in line for line in stack)


def told_with_its_stack(keep: Callable[[float], None], function: Callable[..., Any]) -> bool:
    """Whether one of a few stalls names who kept the loop. Each is told; on a machine that is busy itself the loop may
    have stood still before the work began, and what was seen first is what is told."""
    for _ in range(5):
        with watched() as heard:
            keep(0.5)
            heard.more()
        long = [stack for seconds, stack in heard.blocked if seconds >= 0.4]
        assert long
        if any(named(stack, function) for stack in long):
            return True
    return False


def test_whatever_keeps_the_loop_is_told_with_its_stack() -> None:
    assert told_with_its_stack(burn, burn)


def test_every_stall_above_the_limit_counts_wherever_it_begins() -> None:
    with watched() as heard:
        for number in range(16):
            gevent.sleep(0.01 * number)  # at any place between two looks
            before = len(heard.blocked)
            burn(_LIMIT + 0.001)
            heard.more()
            assert len(heard.blocked) > before, number
            assert all(stack for _, stack in heard.blocked)


def test_a_stall_in_native_code_is_told_too() -> None:
    assert told_with_its_stack(gevent.monkey.get_original("time", "sleep"), told_with_its_stack)


def test_a_stall_in_code_that_never_lets_the_interpreter_go_is_told_too() -> None:
    assert told_with_its_stack(hold, hold)


def test_a_loop_that_is_well_is_told_to_be_and_hardly_woken_for_it() -> None:
    """With a limit that a busy machine does not reach by itself."""
    with watched(limit=0.8) as heard:
        heard.more()

    assert heard.blocked == []
    assert heard.lags[:-1] == [0, 0, 0]  # the looks of a second that found it at rest; the one after them asked
    assert heard.lags[-1] > 0


def test_what_works_for_less_than_the_limit_is_asked_and_is_no_stall() -> None:
    with watched(limit=2.0) as heard:
        burn(1.2)  # a look comes after 1.0
        heard.more()

    assert heard.blocked == []
    assert len(heard.lags) == 1


def test_a_long_stall_is_told_while_it_lasts(capfd: pytest.CaptureFixture[str]) -> None:
    with watched():
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
    with watched():
        assert len(set(_threads()) - before) == 1

    with gevent.Timeout(5):
        while set(_threads()) - before:
            gevent.sleep(0.02)


def _threads() -> list[str]:
    return os.listdir("/proc/self/task")
