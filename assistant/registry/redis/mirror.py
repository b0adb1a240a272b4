"""Mirror: this process's copy of a log that Redis holds.

It takes ready frames and only those that Redis has acknowledged, so whatever a viewer sees can be had again elsewhere.
Whichever way frames come (the writer's acknowledgements, a packed message, a look at the stream), they are taken by
their numbers: twice the same is once, and a gap is told and repaired.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from ... import sse
from ...errors import AssistantError
from ...events import Event, failure
from ...models import Cursor
from ...transcript import Transcript
from ..queue import EventQueue


class Mirror(EventQueue):
    """`pins` counts who needs it: its owner and each viewer here. `touched` is when it last grew or was compared."""

    __slots__ = ("doubts", "loading", "owned", "pins", "touched")

    def __init__(self) -> None:
        super().__init__(0, 0)  # the bounds are the writer's business
        self.pins = 0
        self.owned = False
        self.touched = 0.0
        self.doubts = 0
        self.loading = Lock()

    def take(self, attempt: int, first: int, frames: list[bytes], *, closed: bool) -> bool:
        """Stores what is new of consecutive frames; False when some before them are missing. The caller then wakes."""
        if self.closed or attempt < self._attempt:
            return True
        if attempt > self._attempt:
            return False  # whether the last attempt is whole here only the stream can tell: see `follow`
        have = len(self._frames) - self._starts[-1][1]
        if first > have + 1:
            return False
        new = frames[have + 1 - first :]
        if closed and new:
            self._seal(new)
        elif new:
            self._frames.extend(new)
            self.bytes += sum(map(len, new))
        return True

    def follow(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        """Takes what the stream holds behind the newest event here, also of further attempts."""
        for name, fields in entries:
            attempt = int(name.split(b"-")[0])
            if attempt > self._attempt and not self.closed:
                self.begin(attempt)
            self.take(attempt, int(fields[b"f"]), list(frames_of(fields[b"d"])), closed=b"e" in fields)

    @property
    def place(self) -> Cursor:
        """The newest event of the attempt that is being written; its number is 0 when it has none yet."""
        return Cursor(self._attempt, len(self) - self._starts[-1][1])

    def behind(self, seq: int) -> list[bytes]:
        """The frames of the current attempt behind one of its events."""
        return self._frames[self._starts[-1][1] + seq :]

    def events(self) -> Iterator[tuple[Event, bytes]]:
        """The events of a log that is still open, with their payloads."""
        for message in sse.decode(self._frames):
            yield Event(message.event, message.json()), message.data.encode()

    def fail(self, problem: AssistantError, now: int) -> None:
        """Ends a log that Redis has lost, for those who watch it here: what they saw is kept as the partial answer."""
        if not self.closed:
            terminal = failure(problem, now, Transcript.of(event for event, _ in self.events()).partial)
            self.finish(self._attempt, terminal)


def frames_of(block: bytes) -> Iterator[bytes]:
    """The frames of joined events: each ends with an empty line, and JSON holds none."""
    return (frame + b"\n\n" for frame in block.split(b"\n\n")[:-1])
