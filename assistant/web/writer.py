"""SocketWriter: the socket driver of a stream. The loop itself sends what a viewer has to say.

A greenlet per stream still holds the server's request open, but it sleeps: a wake-up puts the writer on the flusher's
list, and the loop pumps all that are on it: takes blocks from their viewers and gives them to the kernel without waiting.
So an event costs no switch of greenlets and none of the server's framing and writing.

The flusher runs at once while the loop keeps up. When it falls behind, sending leaves the others three quarters of the
time: events of a stream then join into one send, which is what costs most.

What must stay true:
- `_blocks` is only ever advanced by `pump`, and `pump` never runs while `_rest` is being sent: order is the log's order.
- The greenlet is switched to only when it waits, and only for a reason: a full kernel buffer, the end, or a failure.
- Nothing here waits but `run`, in its own greenlet.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import gevent
from gevent.hub import Waiter

from .connection import Connection

# Longest time that the flusher keeps the loop from its sockets; seconds.
_TURN = 0.005
# The shortest pause that lets the loop look at its sockets; seconds. A callback would not: it runs fifty of them first.
_BREATH = 0.0001
# How long a flush may have waited for its turn in a loop that keeps up; seconds.
_BEHIND = 0.010
# What others get for each second that sending takes in a loop that is behind, and the longest that events are held back
# for it; seconds. A reader sees no difference below 100 ms.
_SHARE, _LONGEST = 3.0, 0.050


class Flusher:
    """Pumps the writers that have news, all in one go. One for each loop."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._timer = loop.timer(0)
        self._dirty: dict[SocketWriter, None] = {}  # in the order of their news
        self._due: float | None = None  # when the next flush should come; None when none was asked for
        self._spent = 0.0  # on the flush that is going on

    def add(self, writer: SocketWriter) -> None:
        """The writer has news. Returns at once."""
        self._dirty[writer] = None
        if self._due is None:
            self._ask()

    def _ask(self) -> None:
        self._due = time.perf_counter()
        self._loop.run_callback(self._flush)

    def _flush(self) -> None:
        began = now = time.perf_counter()
        behind = began - (self._due or began) > _BEHIND
        try:
            while self._dirty and now - began < _TURN:
                writer = next(iter(self._dirty))
                del self._dirty[writer]
                writer.pump()
                now = time.perf_counter()
        except BaseException:
            self._ask()  # whatever it was, the other streams must not wait for ever
            raise
        self._spent += now - began
        if self._dirty:
            self._hold_back(_BREATH)
            return
        spent, self._spent, self._due = self._spent, 0.0, None
        if behind:
            self._hold_back(min(_LONGEST, _SHARE * spent))

    def _hold_back(self, pause: float) -> None:
        self._due = time.perf_counter() + pause
        self._timer = self._loop.timer(pause)
        self._timer.start(self._flush, update=True)


_flushers: WeakKeyDictionary[Any, Flusher] = WeakKeyDictionary()


def flusher() -> Flusher:
    """The flusher of the current thread's loop."""
    hub = gevent.get_hub()
    if hub not in _flushers:
        _flushers[hub] = Flusher(hub.loop)
    return _flushers[hub]


class SocketWriter:
    """Sends the blocks of one stream as chunks (RFC 9112, section 7.1) from the second one on."""

    __slots__ = ("_blocks", "_connection", "_failure", "_flusher", "_over", "_rest", "_waiter")

    def __init__(self, connection: Connection, blocks: Generator[bytes | None, None, None]) -> None:
        self._connection = connection
        self._blocks = blocks
        self._flusher = flusher()
        self._rest = b""  # what the kernel has not taken yet
        self._over = False
        self._failure: BaseException | None = None
        self._waiter: Any = None

    @staticmethod
    def fits(connection: Connection, environ: Mapping[str, Any]) -> bool:
        """Whether the socket is plain and the server frames this body in chunks, as gunicorn does for HTTP/1.1
        (gunicorn.http.wsgi, Response.is_chunked)."""
        return connection.plain and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"

    def run(self) -> None:
        """Returns when the stream has ended or the client is gone. Raises what the viewer raises."""
        try:
            self.pump()
            while not self._over:
                if not self._rest:
                    self._waiter = Waiter()
                    self._waiter.get()  # the janitor has the stream woken at least once a heartbeat
                if self._rest:
                    self._connection.send_all(self._rest)
                    self._rest = b""
                    self.pump()
        except OSError:
            self._connection.gone = True
        finally:
            self._over = True  # a pump that is scheduled still finds nothing to do
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    def wake(self) -> None:
        """There is news for the viewer. Returns at once; for greenlets of the same thread."""
        self._flusher.add(self)

    def stop(self) -> None:
        """The client is gone."""
        self._over = True
        self._resume()

    def pump(self) -> None:
        """Gives the kernel what the viewer has, as far as it goes; never waits and never raises."""
        if self._rest or self._over:
            return
        try:
            for block in self._blocks:
                if block is None:
                    return
                self._rest = self._connection.send_some(b"%x\r\n%b\r\n" % (len(block), block))
                if self._rest:
                    break
            else:
                self._over = True
        except OSError:
            self._connection.gone = self._over = True
        except BaseException as failure:  # raised again where the server expects it: in the stream's own greenlet
            self._failure, self._over = failure, True
        self._resume()

    def _resume(self) -> None:
        """Lets the greenlet go on, when it waits."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            gevent.get_hub().loop.run_callback(waiter.switch, None)
