"""Loop: callbacks of an event loop, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

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

    def timer(self, seconds: float) -> Any:
        """A timer of the loop, not yet started. For the loop's own thread."""
        return self._loop.timer(seconds)
