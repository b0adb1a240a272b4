"""Loop: callbacks of an event loop, from any thread, and what there is one of for each loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import gevent
from gevent import monkey

T = TypeVar("T")

_get_ident = monkey.get_original("_thread", "get_ident")  # gevent's own tells greenlets apart


class Loop:
    """The loop of the thread that makes this."""

    __slots__ = ("_loop", "_thread")

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._thread = _get_ident()

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Has the loop call `function` in its next round, in its own thread. Returns at once."""
        here = (
            _get_ident() == self._thread
        )  # a loop that sleeps is woken only from elsewhere, which costs a system call
        (self._loop.run_callback if here else self._loop.run_callback_threadsafe)(function, *args)

    def after(self, seconds: float, function: Callable[[], None]) -> Any:
        """Has the loop call `function` once, so much later; the timer, to be kept until then. For the loop's own thread."""
        timer = self._loop.timer(seconds)
        timer.start(function, update=True)
        return timer

    @property
    def iteration(self) -> int:
        """How many times the loop has gone round."""
        count: int = self._loop.iteration
        return count


_singles: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


def of_loop(kind: Callable[[], T]) -> T:
    """The one `kind` of the current thread's loop, made when it is first asked for."""
    singles = _singles.setdefault(gevent.get_hub(), {})
    if kind not in singles:
        singles[kind] = kind()
    found: T = singles[kind]
    return found
