"""Fiber: the bare greenlet that a task runs in.

gevent's own kind would do; there is one for each request that waits, and it takes 1.1 KiB more. What is kept of it: it can
be killed from anywhere, what fails in it is reported as gevent reports it, and its owner hears of its end, however it came.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import gevent
from greenlet import GreenletExit, greenlet


class Fiber(greenlet):  # type: ignore[misc]
    """Runs `work` once it is started. `left` is called when it has ended, also when it was killed before its first turn;
    in the hub, so it must not wait. All methods are for the threads' own loop and return at once."""

    __slots__ = ("_left", "_loop", "_work")

    def __init__(self, work: Callable[[], None], left: Callable[[], None]) -> None:
        hub = gevent.get_hub()
        super().__init__(parent=hub)
        self._work = work
        self._left = left
        self._loop = hub.loop

    def start(self) -> None:
        """Gives it its first turn in the next round of the loop."""
        self._loop.run_callback(self.switch)

    def kill(self) -> None:
        """Ends it where it waits, in the next round of the loop."""
        self._loop.run_callback(self._kill)

    def run(self) -> None:
        """What greenlet calls. Nothing may leave it: that would end the hub, and with it everybody else."""
        work, left = self._let_go()
        try:
            work()
        except GreenletExit:
            pass
        except BaseException:
            gevent.get_hub().handle_error(self, *sys.exc_info())
        finally:
            self._loop.run_callback(left)

    def _kill(self) -> None:
        if not self.dead:
            begun = bool(self)
            self.throw(GreenletExit)
            if not begun:  # nothing of `run` was run
                _, left = self._let_go()
                left()

    def _let_go(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Its owner, who holds it: no cycle is left for which the collector would have to come."""
        owner = self._work, self._left
        del self._work, self._left
        return owner
