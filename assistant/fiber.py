"""Fiber: the bare greenlet that a task runs in.

gevent's own kind would do; there is one for each request that waits, and it takes 1.1 KiB more. What is kept of it: it can
be killed from anywhere, what fails in it is reported as gevent reports it, and its owner hears of its end, however it came.
"""

from __future__ import annotations

import sys
from typing import Protocol

import gevent
from greenlet import GreenletExit, greenlet


class Owner(Protocol):
    """Whom a fiber works for."""

    def work(self) -> None:
        """What it is there for."""

    def left(self) -> None:
        """Called when it has ended, also when it was killed before its first turn; in the hub, so it must not wait."""


class Fiber(greenlet):  # type: ignore[misc]
    """Does its owner's work once it is started. All methods are for the thread's own loop and return at once."""

    __slots__ = ("_loop", "_owner")

    def __init__(self, owner: Owner) -> None:
        hub = gevent.get_hub()
        super().__init__(parent=hub)
        self._owner = owner
        self._loop = hub.loop

    def start(self) -> None:
        """Gives it its first turn in the next round of the loop."""
        self._loop.run_callback(self.switch)

    def kill(self) -> None:
        """Ends it where it waits, in the next round of the loop."""
        self._loop.run_callback(self._kill)

    def run(self) -> None:
        """What greenlet calls. Nothing may leave it: that would end the hub, and with it everybody else."""
        owner = self._let_go()
        try:
            owner.work()
        except GreenletExit:
            pass
        except BaseException:
            gevent.get_hub().handle_error(self, *sys.exc_info())
        finally:
            self._loop.run_callback(owner.left)

    def _kill(self) -> None:
        if not self.dead:
            begun = bool(self)
            self.throw(GreenletExit)
            if not begun:  # nothing of `run` was run
                self._let_go().left()

    def _let_go(self) -> Owner:
        """Its owner, who holds it: no cycle is left for which the collector would have to come."""
        owner: Owner = self._owner
        del self._owner
        return owner
