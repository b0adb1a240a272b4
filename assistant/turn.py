"""Turn: how long one handler may work before the others have theirs."""

from __future__ import annotations

import time

import gevent

# Longest unbroken work of one handler before others get their turn; seconds.
_TURN = 0.010
# The shortest pause that lets the loop serve sockets and timers; seconds.
PAUSE = 0.0001


class Turn:
    """How long a handler has worked without letting the loop look at sockets and timers."""

    __slots__ = ("_ends", "_iteration", "_loop")

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._iteration, self._ends = 0, 0.0
        self._begin()

    def over(self) -> bool:
        """Whether others must have their turn now. A loop that has gone round since means that the handler waited."""
        now, iteration = time.perf_counter(), self._loop.iteration
        if iteration != self._iteration:
            self._iteration = iteration
            self._ends = now + _TURN
            return False
        return now > self._ends

    def pause(self) -> None:
        # not sleep(0): the loop may run fifty such turns before it looks at a socket
        gevent.sleep(PAUSE)
        self._begin()

    def _begin(self) -> None:
        self._iteration = self._loop.iteration
        self._ends = time.perf_counter() + _TURN
