"""One viewer of one request: the only place that decides what bytes a stream consists of.

`blocks` yields blocks of bytes, None for "nothing yet: wait for the wake call", and at its end the one empty block, END.
It never waits itself, so any driver can run it. Reconnecting is nothing special: a viewer is a cursor, and a new viewer
may begin anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol

from . import sse
from .agenda import Agenda
from .clock import Clock
from .errors import NotFound, ServerFull, StoreUnavailable, TooManyViewers
from .models import Cursor, RequestContext
from .protocols import Batch, RequestRegistry

# The last block. It is asked for like any other, so a client that does not even take the end of its stream is cut as well.
END = b""
# How long a client waits before it reconnects (protocol, Frames); milliseconds.
RETRY_MS = 2000
# A write that takes this much is progress: a slow reader of a large block must not look like one that has stopped; bytes.
SLICE = 65_536
# When clients come elsewhere after `draining`: spread, so that a deploy is no storm; milliseconds.
_ELSEWHERE = (50, 1000)


class Cuttable(Protocol):
    """A connection to a client, as far as a viewer must know it."""

    def cut(self) -> None: ...


class Viewer:
    """A stream of one request from a cursor on. `token_ends` is a monotonic moment; None when there is no end."""

    __slots__ = ("__weakref__", "_beat", "_clock", "_ending", "_news", "_notice", "_registry", "_viewers", "bytes",
                 "connection", "ctx", "cursor", "end_reason", "last_write", "look_in", "opened", "reset", "token_ends", "wake",
                 "writing_since")  # fmt: skip

    def __init__(
        self,
        registry: RequestRegistry,
        viewers: Viewers,
        ctx: RequestContext,
        after: Cursor,
        *,
        clock: Clock,
        token_ends: float | None = None,
    ) -> None:
        self._registry = registry
        self._viewers = viewers
        self._clock = clock
        self._notice: tuple[str, str | None] | None = None
        self._beat = False
        self._news = False
        self._ending = ""  # why the stream ends, once that is certain
        self.ctx = ctx
        self.cursor = after
        self.token_ends = token_ends
        self.end_reason = "client_gone"  # unless something better is known
        self.reset = False  # whether the cursor names no event of the log, so that all of it follows
        self.bytes = 0
        self.opened = self.last_write = clock.monotonic()
        self.writing_since: float | None = None
        self.look_in = 0  # the second in which Viewers has its next look at it
        self.wake: Callable[[], None] = _nobody
        self.connection: Cuttable | None = None  # of the driver

    def blocks(self) -> Generator[bytes | None, None, None]:
        """All there is to send, in order. Counts as a viewer from the first `next` until it is closed."""
        try:
            self._viewers.add(self)
            with self._registry.watch(self.ctx.request_id, self._woken):
                block: bytes | None = self._first()
                while block is not None or not self._ending:
                    if block is None:
                        yield None
                    else:
                        for part in (block,) if len(block) <= SLICE else _slices(block):
                            self.writing_since = self._clock.monotonic()
                            yield part
                            self.last_write, self.writing_since = self._clock.monotonic(), None
                            self.bytes += len(part)
                    asked = self._news or self._notice or self._beat
                    block = self._next() if asked and not self._ending else None
                self.end_reason, self.writing_since = self._ending, self._clock.monotonic()
                yield END
        # dropped since the view looked, or a race for the last place was lost: the client comes again
        except (NotFound, TooManyViewers, ServerFull, StoreUnavailable):
            self.end_reason = "failed"
            yield sse.retry(RETRY_MS)
            yield END
        except Exception:
            self.end_reason = "failed"
            raise
        finally:  # its driver holds the viewer: no cycle is left, for which the collector would have to come
            self._viewers.discard(self)
            self.wake, self.connection = _nobody, None

    @property
    def duration(self) -> float:
        """Seconds since the viewer came."""
        return round(self._clock.monotonic() - self.opened, 6)

    def close_with(self, state: str, reason: str | None = None) -> None:
        """Ends the stream with a notice: `draining` or `closing`. It names no event and moves no cursor."""
        self._notice = (state, reason)
        self.wake()

    def cut(self) -> None:
        """Ends a connection that takes no bytes."""
        if self.connection is not None:
            self.connection.cut()

    def beat(self) -> None:
        """Asks for a heartbeat."""
        self._beat = True
        self.wake()

    def _first(self) -> bytes:
        """The retry line and all that waits behind the cursor, in one block."""
        batch = self._registry.read(self.ctx.request_id, self.cursor)
        reset = self._frame("reset", None) if batch.reset else b""
        return sse.retry(RETRY_MS) + reset + self._taken(batch)

    def _next(self) -> bytes | None:
        """The next block, None when the news was none; the last one sets `_ending`."""
        if not (self._news or self._notice):
            self._beat = False
            return sse.HEARTBEAT
        self._news = self._beat = False  # before the look: what comes after it rings again
        block = self._taken(self._registry.read(self.ctx.request_id, self.cursor))
        if self._notice and not self._ending:
            state, reason = self._notice
            self._ending = reason or state
            if state == "draining":
                block += sse.retry(_jitter())
            block += self._frame(state, reason)
        return block or None

    def _taken(self, batch: Batch) -> bytes:
        self.cursor = batch.cursor
        if batch.closed:
            self._ending = "ended"
        return batch.frames[0] if len(batch.frames) == 1 else b"".join(batch.frames)

    def _frame(self, state: str, reason: str | None) -> bytes:
        return sse.encode("status", self._told(state, reason))

    def _told(self, state: str, reason: str | None) -> dict[str, Any]:
        data = {"state": state, "ts": self._clock.now()}
        return {**data, "reason": reason} if reason else data

    def _woken(self) -> None:
        if not self._news:  # or the driver has been told, and has not looked yet
            self._news = True
            self.wake()


class Viewers:
    """The open streams of this process, and when somebody must look at each. `limit` is the most there may be."""

    def __init__(self, limit: int) -> None:
        self._agenda: Agenda[Viewer] = Agenda()
        self._count = 0
        self._lock = Lock()
        self.limit = limit

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Viewer]:
        with self._lock:
            return iter(self._agenda)

    @property
    def full(self) -> bool:
        return self._count >= self.limit

    def due(self, now: float) -> list[Viewer]:
        """Those whose next look is now, or was before. It is a second later until `look_again` says when it is."""
        with self._lock:
            return self._agenda.due(now)

    def look_again(self, viewer: Viewer, moment: float) -> None:
        """Sets the next look at an open stream; monotonic seconds, of which the whole ones count."""
        with self._lock:
            self._agenda.move(viewer, moment)

    def add(self, viewer: Viewer) -> None:
        """The viewer is one of the open streams until it is discarded. Raises ServerFull."""
        with self._lock:
            if self.full:
                raise ServerFull
            self._agenda.put(viewer, viewer.opened)
            self._count += 1

    def discard(self, viewer: Viewer) -> None:
        """Does nothing for one that is not there."""
        with self._lock:
            self._count -= self._agenda.take(viewer)


def _jitter() -> int:
    """When a client that is sent elsewhere comes there; ms. Not all at once."""
    return random.randrange(*_ELSEWHERE)


def _slices(block: bytes) -> Sequence[bytes]:
    return [block[start : start + SLICE] for start in range(0, len(block), SLICE)]


def _nobody() -> None:
    """Before a driver has taken the viewer there is nobody to wake."""
