"""EventQueue: the log of one request.

It is append-only and bounded. Reading never empties it: each viewer brings its cursor, so a resume, a second tab and a
late join are the same `read(after)`. An event becomes its SSE frame once, when appended. Nothing here waits: `append`
stores, `wake` rings, and waiting belongs to those who ring themselves in.

Writers come one at a time: the registry's lock sees to that. Readers need no lock: they take what they need in an order
in which a log that grows or closes under them still gives a true answer.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from .. import sse
from ..errors import AssistantError, BudgetExceeded, Fenced, RequestClosed
from ..events import Event
from ..models import START, Cursor
from ..protocols import Batch

# What the envelope of a terminal event takes at most, besides the text and parts that it repeats; bytes. Its names and its
# message are bounded in characters, of which JSON may make six bytes each.
ENVELOPE = 10_000
# What the payload of a chunk takes at least without its text, so that the text need not be encoded twice; bytes.
_WITHOUT_TEXT = len(sse.dumps({"text": "", "part": "text", "index": 0, "ts": 10**12}))
# What the envelope of one part in it takes; bytes. Every chunk may begin a new part.
_PART = 64
# The constructor of a NamedTuple is a call in Python; these are none.
_cursor: Callable[[tuple[int, int]], Cursor] = partial(tuple.__new__, Cursor)
_batch: Callable[[tuple[list[bytes], Cursor, bool, bool]], Batch] = partial(tuple.__new__, Batch)
# The attempts of a log, each with the index of its first frame; nearly always there is one.
_FIRST: tuple[tuple[int, int], ...] = ((1, 0),)


class _Sealed(NamedTuple):
    """A finished log as one block instead of many small objects: it costs its bytes and 8 an event."""

    block: bytes
    ends: array[int]  # where each frame of the block ends

    def behind(self, index: int) -> list[bytes]:
        """What follows the first `index` events."""
        rest = self.block[self.ends[index - 1] if index else 0 :]
        return [rest] if rest else []


class EventQueue:
    """`max_events` and `max_bytes` bound the log with its terminal event, for which room is always kept."""

    __slots__ = ("_attempt", "_frames", "_owed", "_sealed", "_starts", "bytes", "max_bytes", "max_events", "wakers")

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._frames: list[bytes] = []
        self._sealed: _Sealed | None = None  # the same frames once closed
        self._starts = _FIRST
        self._attempt = 1
        self._owed = ENVELOPE
        self.bytes = 0
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.wakers: tuple[Callable[[], None], ...] = ()  # of every viewer; never called while a lock is held

    def __len__(self) -> int:
        frames, sealed = self._frames, self._sealed
        return len(frames) if sealed is None else len(sealed.ends)

    @property
    def closed(self) -> bool:
        return self._sealed is not None

    @property
    def last(self) -> Cursor:
        """The cursor of the newest event; an attempt that has begun but said nothing has none yet."""
        return self._cursor(len(self))

    def begin(self, attempt: int) -> None:
        """Fences off all earlier attempts: the next event is `<attempt>-1`. Raises RequestClosed, Fenced."""
        if self.closed:
            raise RequestClosed
        if attempt <= self._attempt:
            raise Fenced
        self._attempt = attempt
        self._starts = (*self._starts, (attempt, len(self._frames)))

    def append(self, attempt: int, event: Event) -> Cursor:
        """Stores an event; the caller then calls `wake`. Raises RequestClosed, Fenced, BudgetExceeded."""
        payload = sse.dumps(event.data)
        owed = repeated(event, payload)
        if self._sealed is not None or attempt != self._attempt:
            raise self._refusal()
        frames = self._frames
        seq = len(frames) - self._starts[-1][1] + 1
        frame = sse.NUMBERED % (attempt, seq, event.name.encode(), payload)
        size = self.bytes + len(frame)
        if len(frames) + 2 > self.max_events or size + self._owed + owed > self.max_bytes:
            raise BudgetExceeded
        frames.append(frame)
        self.bytes = size
        self._owed += owed
        return _cursor((attempt, seq))

    def finish(self, attempt: int, terminal: Event) -> Cursor:
        """Stores the last event and closes the log, in one step. Raises RequestClosed, Fenced."""
        payload = sse.dumps(terminal.data)
        if self._sealed is not None or attempt != self._attempt:
            raise self._refusal()
        seq = len(self._frames) - self._starts[-1][1] + 1
        self._seal([sse.numbered(terminal.name, payload, attempt, seq)])
        return Cursor(attempt, seq)

    def read(self, after: Cursor) -> Batch:
        """The frames behind a cursor; from the start, with `reset`, when it names no event of this log."""
        frames = self._frames  # before _sealed: it is emptied only after that is set
        sealed = self._sealed
        end = len(frames) if sealed is None else len(sealed.ends)
        attempt, start = self._starts[-1]
        if sealed is None and after[0] == attempt and 0 < after[1] <= end - start:  # nearly always
            return _batch((frames[start + after[1] : end], _cursor((attempt, end - start)), False, False))
        index = self._index(after, end)
        kept = frames[index or 0 : end] if sealed is None else sealed.behind(index or 0)
        return Batch(kept, self._cursor(end), sealed is not None, index is None)

    def terminal(self) -> bytes:
        """The frame of the last event of a closed log."""
        assert self._sealed is not None
        return self._sealed.behind(len(self._sealed.ends) - 1)[0]

    def add_waker(self, wake: Callable[[], None]) -> None:
        self.wakers = (*self.wakers, wake)

    def remove_waker(self, wake: Callable[[], None]) -> None:
        left = list(self.wakers)
        left.remove(wake)  # one registration, should the same callable watch twice
        self.wakers = tuple(left)

    def wake(self) -> None:
        """Tells every viewer that there is something to read. Never called while a lock is held."""
        for wake in self.wakers:
            wake()

    def _seal(self, last: list[bytes]) -> None:
        # a new list: no reader may see the last event in a log that is still open
        frames = self._frames + last
        self._sealed = _Sealed(b"".join(frames), array("Q", accumulate(map(len, frames))))
        self._frames = []
        self.bytes = len(self._sealed.block)

    def _refusal(self) -> AssistantError:
        """Why nobody but the newest attempt may write, and that only while the log is open."""
        return RequestClosed() if self._sealed is not None else Fenced()

    def _index(self, after: Cursor, end: int) -> int | None:
        """How many of `end` events lie before the cursor; None when it names none of them."""
        if after == START:
            return 0
        for attempt, start in reversed(self._starts):
            if attempt == after.attempt:
                return start + after.seq if 1 <= after.seq <= end - start else None
            end = min(end, start)
        return None

    def _cursor(self, end: int) -> Cursor:
        """The cursor behind the first `end` events."""
        for attempt, start in reversed(self._starts):
            if start < end:
                return Cursor(attempt, end - start)
        return START


def repeated(event: Event, payload: bytes) -> int:
    """How many bytes of this event the terminal event will say again: the text once joined and once in its part."""
    if event.name == "response_chunk":
        text = 2 * (len(payload) - _WITHOUT_TEXT) + _PART
        return text if "kind" not in event.data else text + len(payload)
    return len(payload) if event.name == "action" else 0
