"""Turnstile: lets requests in one after the other, and the streams have their time between them.

The loop serves every socket that has bytes before it does anything else, so a storm of requests would stop all answers that
run, and answers that began in one go would go on in step. So requests have so much time of each round of the loop; those
for whom it does not suffice come in the rounds after, in their order. What was accepted comes first: who wants to see, answer
or stop an answer that runs does not wait behind all who ask for a new one, of whom one is let in each round even so.

Nobody waits without an end: where more come for long than can be served, those who have waited too long are turned away.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from gevent.hub import Waiter

from ..turn import PAUSE
from .loop import Loop

# What requests have of a round; seconds. The loop gives half as much to all that waits for its turn in it.
_SHARE = 0.010
# How long a request may wait before it is turned away; seconds. A storm of every stream at once is over long before.
_PATIENCE = 10.0


class Turnstile:
    """One for each loop (`of_loop`)."""

    def __init__(self) -> None:
        self._loop = Loop()
        # each waiter with the moment since when it waits
        self._known: deque[tuple[Any, float]] = deque()  # who asks about what was accepted
        self._new: deque[tuple[Any, float]] = deque()
        self._timer: Any = None
        self._begin()

    def enter(self, *, new: bool = False) -> bool:
        """Returns when it is this greenlet's turn, at once as long as there is time left; False when that took too long.

        `new` is a request that nothing has been accepted of yet."""
        if self._loop.iteration != self._iteration:
            self._begin()
        if not (self._known or (new and self._new)) and time.perf_counter() <= self._ends:
            return True
        waiter = Waiter()  # remembers a switch that comes when its greenlet is gone
        (self._new if new else self._known).append((waiter, time.perf_counter()))
        if self._timer is None:
            self._next_round()
        return bool(waiter.get())

    def _begin(self) -> None:
        self._iteration = self._loop.iteration
        self._ends = time.perf_counter() + _SHARE

    def _next_round(self) -> None:
        self._timer = self._loop.after(PAUSE, self._let_in)

    def _let_in(self) -> None:
        self._begin()
        try:
            self._turn_away(self._known)
            self._turn_away(self._new)
            if self._new:  # whatever else there is
                _answer(self._new, True)
            while (waiting := self._known or self._new) and time.perf_counter() <= self._ends:
                _answer(waiting, True)
        finally:  # not before: those let in who come again at once would start a round of their own
            self._timer = None
            if self._known or self._new:
                self._next_round()

    def _turn_away(self, waiting: deque[tuple[Any, float]]) -> None:
        """Those whose patience is over; that costs little, but is work of a round as well."""
        while waiting and (now := time.perf_counter()) <= self._ends and now - waiting[0][1] > _PATIENCE:
            _answer(waiting, False)


def _answer(waiting: deque[tuple[Any, float]], let_in: bool) -> None:
    waiter, _ = waiting.popleft()
    waiter.switch(let_in)
