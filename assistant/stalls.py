"""StallMonitor: sees when the loop stands still, and what keeps it.

A timer in the loop ticks; how late it comes is the loop's lag. A native thread looks at the ticks from outside. When one is
overdue it takes down the stack of the loop's thread: afterwards nobody could. While the loop stands still it can log
nothing, and whoever holds the lock of a log handler may be what keeps it; so a long stall is told by the thread itself,
past `logging`, and told again with its length when the loop goes on.

Code that holds the interpreter's lock without a pause, as a regular expression can, keeps the thread from looking too;
such a stall is told when it is over, with the stack of whoever called that code.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import gevent
from gevent import monkey

from .observability import logs
from .signals import emit, loop_blocked, loop_ticked

# How long the loop stands still before the thread says so itself; seconds.
_LONG = 1.0
# Frames of a stack that are told, the innermost ones.
_FRAMES = 30

# gevent's own would wait in the loop, which is what stands still
_sleep = monkey.get_original("time", "sleep")
_start_thread, _get_ident = monkey.get_original("_thread", ["start_new_thread", "get_ident"])


class StallMonitor:
    """`limit` is how long a piece of work may keep the loop, in seconds; 0 switches the watch off."""

    def __init__(self, limit: float, *, sender: Any = None) -> None:
        self._limit = limit
        self._sender = sender

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While entered, the loop of the current thread is watched."""
        watch = _Watch(self._limit, self._sender) if self._limit else None
        try:
            yield
        finally:
            if watch is not None:
                watch.stop()


class _Watch:
    """The timer and the thread. `_beat` and `_seen` are each written whole by one of the two, and read by the other."""

    def __init__(self, limit: float, sender: Any) -> None:
        self._limit = limit
        self._sender = sender
        # whatever keeps the loop longer than the limit makes one tick late by three quarters of it, and one look finds that
        self._tick, self._look = limit / 4, limit / 2
        self._beat = time.perf_counter()
        self._seen: tuple[float, list[str]] | None = None  # the beat after which nothing came, and who was at work
        self._stopped = False
        self._thread = _get_ident()
        self._timer = gevent.get_hub().loop.timer(self._tick, self._tick, ref=False)
        self._timer.start(self._ticked)
        _start_thread(self._watch, ())

    def stop(self) -> None:
        self._stopped = True  # the thread sees it within one look
        self._timer.stop()
        self._timer.close()

    def _ticked(self) -> None:
        """In the loop."""
        before, now = self._beat, time.perf_counter()
        seen, self._beat = self._seen, now
        lag = max(0.0, now - before - self._tick)
        emit(loop_ticked, self._sender, lag=lag)
        if lag + self._tick >= self._limit:
            stack = seen[1] if seen is not None and seen[0] == before else []
            emit(loop_blocked, self._sender, seconds=round(lag, 3), stack=stack)

    def _watch(self) -> None:
        """In the thread: nothing here may touch gevent or wait for a lock."""
        told = None
        while not self._stopped:
            _sleep(self._look)
            beat = self._beat
            late = time.perf_counter() - beat - self._tick
            if late < self._tick:
                continue
            if self._seen is None or self._seen[0] != beat:
                self._seen = (beat, self._stack())
            if late >= _LONG and told != beat:
                told, self._seen = beat, (beat, self._stack())
                logs.write_now(
                    "loop.blocked", logging.WARNING, duration=round(late, 3), stack=self._seen[1], over=False
                )

    def _stack(self) -> list[str]:
        """Where the loop's thread is, the innermost frame last. Names of code only: a line of source could hold a secret."""
        found: list[str] = []
        frame: FrameType | None = sys._current_frames().get(self._thread)
        while frame is not None and len(found) < _FRAMES:
            code = frame.f_code
            found.append(f"{code.co_filename}:{frame.f_lineno} {code.co_qualname}")
            frame = frame.f_back
        return found[::-1]
