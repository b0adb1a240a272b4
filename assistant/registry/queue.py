"""EventQueue: the log of one request.

It is append-only and bounded. Reading never empties it: each viewer brings its cursor, so a resume, a second tab and a
late join are the same `read(after)`. An event becomes its SSE frame once, when appended. Nothing here waits: `append`
stores, `wake` rings, and waiting belongs to those who ring themselves in.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import accumulate
from threading import Lock

from .. import sse
from ..errors import BudgetExceeded, Fenced, RequestClosed
from ..events import Event
from ..models import START, Cursor
from ..protocols import Batch

# What the envelope of a terminal event takes at most, besides the text and parts that it repeats; bytes. Its names and its
# message are bounded in characters, of which JSON may make six bytes each.
_ENVELOPE = 10_000
# What the envelope of one part in it takes; bytes. Every chunk may begin a new part.
_PART = 64


class EventQueue:
    """`max_events` and `max_bytes` bound the log with its terminal event, for which room is always kept."""

    __slots__ = ("_attempt", "_block", "_ends", "_frames", "_lock", "_owed", "_starts", "_wakers", "bytes", "closed",
                 "max_bytes", "max_events")  # fmt: skip

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._lock = Lock()
        self._frames: list[bytes] = []
        self._block = b""  # the frames joined, once closed
        self._ends = array("Q")  # where each frame of the block ends
        self._starts: list[tuple[int, int]] = [(1, 0)]  # (attempt, index of its first frame)
        self._attempt = 1
        self._owed = _ENVELOPE
        self._wakers: tuple[Callable[[], None], ...] = ()
        self.bytes = 0
        self.closed = False
        self.max_events = max_events
        self.max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._ends) if self.closed else len(self._frames)

    @property
    def last(self) -> Cursor:
        """The cursor of the newest event."""
        attempt, start = self._starts[-1]
        return Cursor(attempt, len(self) - start)

    def begin(self, attempt: int) -> None:
        """Fences off all earlier attempts: the next event is `<attempt>-1`. Raises RequestClosed, Fenced."""
        with self._lock:
            if self.closed:
                raise RequestClosed
            if attempt <= self._attempt:
                raise Fenced
            self._attempt = attempt
            self._starts.append((attempt, len(self._frames)))

    def append(self, attempt: int, event: Event) -> Cursor:
        """Stores an event; the caller then calls `wake`. Raises RequestClosed, Fenced, BudgetExceeded."""
        payload = sse.dumps(event.data)
        owed = _repeated(event, payload)
        with self._lock:
            seq = self._next(attempt)
            frame = sse.frame(event.name, payload, f"{attempt}-{seq}")
            size = len(frame)
            if len(self._frames) + 2 > self.max_events or self.bytes + size + self._owed + owed > self.max_bytes:
                raise BudgetExceeded
            self._frames.append(frame)
            self.bytes += size
            self._owed += owed
            return Cursor(attempt, seq)

    def finish(self, attempt: int, terminal: Event) -> Cursor:
        """Stores the last event and closes the log, in one step. Raises RequestClosed, Fenced."""
        payload = sse.dumps(terminal.data)
        with self._lock:
            seq = self._next(attempt)
            self._frames.append(sse.frame(terminal.name, payload, f"{attempt}-{seq}"))
            # one block instead of many small objects: a finished log costs its bytes and 8 an event
            self._ends = array("Q", accumulate(map(len, self._frames)))
            self._block = b"".join(self._frames)
            self._frames = []
            self.bytes = len(self._block)
            self.closed = True
            return Cursor(attempt, seq)

    def read(self, after: Cursor) -> Batch:
        """The frames behind a cursor; from the start, with `reset`, when it names no event of this log."""
        with self._lock:
            index = self._index(after)
            start = 0 if index is None else index
            if self.closed:
                offset = self._ends[start - 1] if start else 0
                frames = [self._block[offset:]] if offset < len(self._block) else []
            else:
                frames = self._frames[start:]
            return Batch(frames, self.last, self.closed, reset=index is None)

    def terminal(self) -> bytes:
        """The frame of the last event of a closed log."""
        return self._block[self._ends[-2] if len(self._ends) > 1 else 0 :]

    def add_waker(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers = (*self._wakers, wake)

    def remove_waker(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers = tuple(waker for waker in self._wakers if waker is not wake)

    def wake(self) -> None:
        """Tells every viewer that there is something to read. Never called while a lock is held."""
        for wake in self._wakers:
            wake()

    def _next(self, attempt: int) -> int:
        if self.closed:
            raise RequestClosed
        if attempt != self._attempt:
            raise Fenced
        return len(self._frames) - self._starts[-1][1] + 1

    def _index(self, after: Cursor) -> int | None:
        """How many events lie before the cursor; None when it names no event."""
        if after == START:
            return 0
        end = len(self)
        for attempt, start in reversed(self._starts):
            if attempt == after.attempt:
                # `2-0` is where attempt 2 begins, behind all of attempt 1
                first = 1 if attempt == 1 else 0
                return start + after.seq if first <= after.seq <= end - start else None
            end = start
        return None


def _repeated(event: Event, payload: bytes) -> int:
    """How many bytes of this event the terminal event will say again: the text once joined and once in its part."""
    if event.name == "response_chunk":
        text = 2 * len(sse.dumps(event.data["text"])) + _PART
        return text if "kind" not in event.data else text + len(payload)
    return len(payload) if event.name == "action" else 0
