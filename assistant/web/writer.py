"""SocketWriter: the socket driver of a stream. The loop itself sends what a viewer has to say.

No greenlet, no environ and no response is kept for a stream: a wake-up puts its writer on the flusher's list, and the loop
pumps all that are on it, that is, takes blocks from their viewers and gives them to the kernel without waiting. An event
so costs no switch of greenlets, and an idle stream costs its socket and the viewer.

The flusher runs at once while the loop keeps up. When it falls behind, and two flushes in a row come late, events wait a
multiple of what these had to wait: those of a stream then join into one send, which is what costs most.

What must stay true:
- Only `pump` advances the blocks, and it never does while `_rest` waits for room in the kernel: order is the log's order.
- Nothing here waits. What may wait at the end, a registry that is told and receivers of signals, has a greenlet for it.
- A stream ends once, in `_end`, whoever was first: its last block, its client, the janitor's cut, a failure. There the socket
  goes back to the server when all was sent, and is closed otherwise; its `ending` hears of it after the viewer has given back
  what it held.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol

import gevent

from ..turn import PAUSE
from .connection import Connection
from .loop import Loop, of_loop

log = logging.getLogger("assistant.web")

# Longest time that the flusher keeps the loop from its sockets; seconds.
_TURN = 0.005
# How long a flush may have waited for its turn in a loop that keeps up; seconds.
_BEHIND = 0.003
# For how many times what it had waited events are held back in a loop that is behind, and for how long at most; seconds.
# A reader sees no difference up to 100 ms.
_LATE, _LONGEST = 4, 0.100


class Flusher:
    """Pumps the writers that have news, all in one go. One for each loop (`of_loop`)."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._timer: Any = None
        self.dirty: deque[SocketWriter] = deque()  # in the order of their news; a second entry finds none left
        self.coming = False  # whether a flush was asked for, goes on or is held back
        self._asked = self._begun = 0.0  # the last one
        # for how many more it is; who comes meanwhile is for the next one, so that all have their turn equally often
        self._left = 0
        # how long it had waited, and the one before it
        self._late = self._late_before = 0.0

    def ask(self) -> None:
        """Behind all that the loop has to do now: how long that takes says how busy it is."""
        self.coming = True
        self._asked = time.perf_counter()
        self._loop.call(self._begin)

    def _begin(self) -> None:
        self._begun = time.perf_counter()
        self._late_before, self._late = self._late, self._begun - self._asked
        self._left = len(self.dirty)
        self._go_on()

    def _go_on(self) -> None:
        ends = time.perf_counter() + _TURN
        try:
            while self._left and time.perf_counter() < ends:
                self._left -= 1
                self.dirty.popleft().pump()
        except BaseException:
            self.ask()  # whatever it was, the other streams must not wait for ever
            raise
        if self._left:
            self._timer = self._loop.after(PAUSE, self._go_on)
        elif (late := min(self._late, self._late_before)) > _BEHIND:  # one alone is no loop that is behind
            over = self._begun + min(_LONGEST, _LATE * late)
            self._timer = self._loop.after(max(PAUSE, over - time.perf_counter()), self.ask)
        else:
            self.coming = False
            if self.dirty:  # it took more than one go, or another thread saw it still going on
                self.ask()


class Ending(Protocol):
    """Who has something to do when a stream has ended."""

    def closed(self) -> None:
        """Called once. May wait."""


class SocketWriter:
    """Sends the blocks of one stream as chunks (RFC 9112, section 7.1) over a connection that is its own.

    The viewer's empty block is the empty chunk, with which a body ends. Then `resume` is given the socket, for the client's
    next request; it must not wait."""

    __slots__ = ("_blocks", "_connection", "_ending", "_flusher", "_over", "_rest", "_resume")

    def __init__(
        self,
        connection: Connection,
        blocks: Generator[bytes | None, None, None],
        ending: Ending,
        resume: Callable[[Any], None] | None = None,
    ) -> None:
        self._connection = connection
        self._blocks = blocks
        self._flusher = of_loop(Flusher)
        self._ending = ending
        self._resume = resume
        self._rest = b""  # what the kernel has not taken yet
        self._over = False

    def start(self, head: bytes, first: bytes) -> None:
        """Sends the head of the response with the first block of its body, and from now on what comes; at once."""
        self._rest = head + b"%x\r\n%b\r\n" % (len(first), first)
        self._go_on()

    def wake(self) -> None:
        """There is news for the viewer. Returns at once, in any thread."""
        flusher = self._flusher
        flusher.dirty.append(self)
        if not flusher.coming:
            flusher.ask()

    def client_gone(self) -> None:
        """For its Connection."""
        self._end()

    def pump(self) -> None:
        """Gives the kernel what the viewer has, as far as it goes; never waits and never raises."""
        if self._rest or self._over:
            return
        whole = False
        try:
            for block in self._blocks:
                if block is None:
                    return
                if rest := self._connection.send_some(b"%x\r\n%b\r\n" % (len(block), block)):
                    self._wait_with(rest)
                    return
                if not block:
                    break
            whole = True
        except OSError:
            pass
        except BaseException:  # the client comes again with its cursor
            log.exception("a stream failed")
        self._end(whole=whole)

    def _wait_with(self, rest: bytes) -> None:
        """What the kernel has not taken goes when there is room."""
        self._rest = rest
        self._connection.when_room(self._go_on)

    def _go_on(self) -> None:
        try:
            if rest := self._connection.send_some(self._rest):
                self._wait_with(rest)
                return
        except OSError:
            self._end()
            return
        self._rest = b""
        self.pump()

    def _end(self, *, whole: bool = False) -> None:
        if self._over:
            return
        self._over = True
        gevent.spawn(self._give_back)
        if whole and self._resume is not None:
            self._resume(self._connection.release())
        else:
            self._connection.close_socket()

    def _give_back(self) -> None:
        try:
            self._blocks.close()
        finally:
            self._ending.closed()
