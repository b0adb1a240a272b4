"""StallMonitor: sees when the loop stands still, and what keeps it.

A native thread looks at the loop from outside. A loop that waits for the next thing to do is well, and is not woken for
that: in a server where nothing happens, looking is what would cost most. One that is at work is asked a question, which it
answers in its next round: how long that takes is its lag, and from the beginning of its work to the answer it stood still.
When that is long, the thread takes down the stack of the loop's thread: afterwards nobody could. While the loop stands
still it can log nothing, and whoever holds the lock of a log handler may be what keeps it; so a long stall is told by the
thread itself, past `logging`, and told again with its length when the loop goes on.

Code that holds the interpreter's lock without a pause, as a regular expression can, keeps the thread from looking too;
such a stall is told when it is over, with the stack of whoever called that code.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import gevent
from gevent import monkey

from .observability import logs
from .signals import emit, loop_blocked, loop_ticked

# How long the loop stands still before the thread says so itself; seconds.
_LONG = 1.0
# For how long a loop at rest is left alone before it is asked all the same, and told of these looks; seconds.
_QUIET = 1.0
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


@dataclass(slots=True)
class _Question:
    """Asked of a loop, which answers when it goes round. Moments are those of `perf_counter`."""

    asked: float
    since: float  # when the work began that it was found at
    quiet: int  # looks before it that found nothing to ask
    stack: list[str] = field(default_factory=list)
    told: bool = False  # whether the thread has said that it is still open


class _Watch:
    """The thread. `_open` is set by it and cleared by the loop; `_free` is written whole by either."""

    def __init__(self, limit: float, sender: Any) -> None:
        hub = gevent.get_hub()
        self._limit = limit
        self._sender = sender
        self._look = limit / 2
        self._loop = hub.loop
        self._waits = type(hub).run.__code__  # what its thread is in while the loop has nothing to do
        self._free = time.perf_counter()  # the last moment at which nothing kept the loop, as far as is known
        self._quiet = 0
        self._open: _Question | None = None
        self._stopped = False
        self._thread = _get_ident()
        _start_thread(self._watch, ())

    def stop(self) -> None:
        self._stopped = True  # the thread sees it within one look

    def _watch(self) -> None:
        """In the thread: nothing here may wait for a lock, or for the loop."""
        while not self._stopped:
            _sleep(self._look)
            try:
                self._look_at_loop()
            except ValueError:  # its loop has been destroyed
                return

    def _look_at_loop(self) -> None:
        now = time.perf_counter()
        if self._open is None:
            if self._at_rest() and self._quiet < _QUIET / self._look:
                self._free = now
                self._quiet += 1
                return
            # libev takes down when it begins to work; the clock of the wall may be set in between, but not by more than this
            worked = max(0.0, time.time() - self._loop.now())
            self._open = _Question(asked=now, since=max(self._free, now - worked), quiet=self._quiet)
            self._quiet = 0
            self._loop.run_callback_threadsafe(self._answer, self._open)
        if (question := self._open) is not None:
            self._see(question, now - question.since)

    def _at_rest(self) -> bool:
        frame: FrameType | None = sys._current_frames().get(self._thread)
        return frame is not None and frame.f_code is self._waits

    def _see(self, question: _Question, stood: float) -> None:
        """Takes down who keeps the loop. Of what keeps it longer than the limit, one look comes after this part of it."""
        long = stood >= _LONG and not question.told
        if long or (stood >= self._limit / 4 and not question.stack):
            question.stack = self._stack()
        if long:
            question.told = True
            logs.write_now("loop.blocked", logging.WARNING, duration=round(stood, 3), stack=question.stack, over=False)

    def _answer(self, question: _Question) -> None:
        """In the loop."""
        now = self._free = time.perf_counter()
        self._open = None
        for lag in (*(0.0,) * question.quiet, now - question.asked):
            emit(loop_ticked, self._sender, lag=lag)
        if (stood := now - question.since) >= self._limit:
            emit(loop_blocked, self._sender, seconds=round(stood, 3), stack=question.stack)

    def _stack(self) -> list[str]:
        """Where the loop's thread is, the innermost frame last. Names of code only: a line of source could hold a secret."""
        found: list[str] = []
        frame: FrameType | None = sys._current_frames().get(self._thread)
        while frame is not None and len(found) < _FRAMES:
            code = frame.f_code
            found.append(f"{code.co_filename}:{frame.f_lineno} {code.co_qualname}")
            frame = frame.f_back
        return found[::-1]
