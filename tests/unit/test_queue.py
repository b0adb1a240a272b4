"""EventQueue against its model, a plain list: every cut, resume and takeover gives the same whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from assistant import sse
from assistant.errors import BudgetExceeded, Fenced, RequestClosed
from assistant.events import Event
from assistant.models import START, Cursor
from assistant.registry.queue import EventQueue
from assistant.testing.contract import completed, failed, said
from tests.properties import examples

_TEXTS = st.text(max_size=12) | st.sampled_from(["\r\n\r\n", "\n\ndata: x\n\n", "id: 9-9\n", "\0", "\u2028", "\ufeff"])


class QueueMachine(RuleBasedStateMachine):
    """Viewers hold a cursor and what they have seen; the model is the list of all events' ids and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = EventQueue(1_000, 10_000_000)
        self.model: list[tuple[Cursor, str]] = []
        self.attempt = 1
        self.seq = 0
        self.ended = False
        self.viewers: dict[int, tuple[Cursor, bytes]] = {}
        self.rung: dict[int, int] = {}
        self.wakers: dict[int, object] = {}
        self.heard: dict[int, list[int]] = {}
        self.append("a registry leaves no log empty")

    @precondition(lambda self: not self.ended)
    @rule(text=_TEXTS)
    def append(self, text: str) -> None:
        cursor = self.queue.append(self.attempt, said(text))
        self.queue.wake()
        self._kept(cursor, text)

    @precondition(lambda self: not self.ended)
    @rule(text=_TEXTS, succeeds=st.booleans())
    def finish(self, text: str, succeeds: bool) -> None:
        cursor = self.queue.finish(self.attempt, completed(text) if succeeds else failed(text))
        self.queue.wake()
        self._kept(cursor, text)
        self.ended = True

    def _kept(self, cursor: Cursor, text: str) -> None:
        self.seq += 1
        assert cursor == Cursor(self.attempt, self.seq)
        self.model.append((cursor, text))
        for name in self.rung:
            self.rung[name] += 1

    @precondition(lambda self: not self.ended and self.attempt < 4)
    @rule(skipped=st.integers(1, 2), text=_TEXTS)
    def take_over(self, skipped: int, text: str) -> None:
        """A new owner writes at once: the reason for the recovery."""
        self.attempt, self.seq = self.attempt + skipped, 0
        self.queue.begin(self.attempt)
        self.append(text)

    @rule(other=st.integers(0, 6))
    def others_cannot_write(self, other: int) -> None:
        expected = RequestClosed if self.ended else Fenced
        if other != self.attempt or self.ended:
            for write in (self.queue.append, self.queue.finish):
                with pytest.raises(expected):
                    write(other, completed())
        if other <= self.attempt or self.ended:
            with pytest.raises(expected):
                self.queue.begin(other)

    @rule(name=st.integers(0, 3))
    def come(self, name: int) -> None:
        self.viewers.setdefault(name, (START, b""))

    @rule(name=st.integers(0, 3), data=st.data())
    def reconnect(self, name: int, data: st.DataObject) -> None:
        """A viewer lost the end of what it was sent, and comes back from an earlier cursor."""
        index = data.draw(st.integers(0, len(self.model)))
        self.viewers[name] = (self._cursor(index), self._bytes(0, index))

    @rule(name=st.integers(0, 3))
    def read(self, name: int) -> None:
        cursor, seen = self.viewers.get(name, (START, b""))
        batch = self.queue.read(cursor)
        self.viewers[name] = (batch.cursor, seen + b"".join(batch.frames))
        assert not batch.reset
        assert batch.closed == self.ended
        assert self.viewers[name][1] == self._bytes(0, len(self.model))

    @rule(name=st.integers(0, 3))
    def watch(self, name: int) -> None:
        if name not in self.wakers:
            heard: list[int] = []
            self.wakers[name] = wake = lambda: heard.append(1)
            self.queue.add_waker(wake)
            self.rung[name], self.heard[name] = 0, heard

    @rule(name=st.integers(0, 3))
    def leave(self, name: int) -> None:
        if name in self.wakers:
            self.queue.remove_waker(self.wakers.pop(name))  # type: ignore[arg-type]
            assert len(self.heard.pop(name)) == self.rung.pop(name)

    @rule(attempt=st.integers(0, 6), seq=st.integers(0, 60))
    def a_cursor_that_names_no_event_is_a_reset(self, attempt: int, seq: int) -> None:
        known = {cursor for cursor, _ in self.model} | {START}
        batch = self.queue.read(Cursor(attempt, seq))
        assert batch.reset == (Cursor(attempt, seq) not in known)

    @invariant()
    def every_past_cursor_gives_exactly_the_missing_suffix(self) -> None:
        whole = self._bytes(0, len(self.model))
        offset = 0
        for index in range(len(self.model) + 1):
            batch = self.queue.read(self._cursor(index))
            assert b"".join(batch.frames) == whole[offset:]
            offset += len(self._frame(index)) if index < len(self.model) else 0
        assert self.queue.bytes == len(whole)
        assert len(self.queue) == len(self.model)

    @invariant()
    def at_most_one_end_and_always_last(self) -> None:
        messages = list(sse.decode(self.queue.read(START).frames))
        assert [message.id for message in messages] == [str(cursor) for cursor, _ in self.model]
        ends = [index for index, message in enumerate(messages) if message.event in ("complete", "error")]
        assert ends == ([len(messages) - 1] if self.ended else [])

    def _cursor(self, index: int) -> Cursor:
        return self.model[index - 1][0] if index else START

    def _frame(self, index: int) -> bytes:
        cursor, text = self.model[index]
        frames = self.__dict__.setdefault("frames", {})
        if index not in frames:  # kept as first seen: the same id is the same bytes, always
            block = b"".join(self.queue.read(self._cursor(index)).frames)
            frames[index] = block[: block.index(b"\n\n") + 2]
            assert frames[index].startswith(b"id: %b\n" % str(cursor).encode())
            (message,) = sse.decode([frames[index]])
            assert text in message.json().values()
        return bytes(frames[index])

    def _bytes(self, start: int, end: int) -> bytes:
        return b"".join(self._frame(index) for index in range(start, end))


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = examples(60, steps=30)


@examples(60)
@given(st.lists(_TEXTS, min_size=1, max_size=20), st.lists(st.integers(0, 22), max_size=8), st.booleans())
def test_however_a_stream_is_cut_the_pieces_join_to_the_whole(texts: list[str], cuts: list[int], ended: bool) -> None:
    queue = EventQueue(1_000, 10_000_000)
    pieces, cursor = b"", START
    for index, text in enumerate(texts):
        queue.append(1, said(text))
        if index in cuts:
            batch = queue.read(cursor)
            pieces, cursor = pieces + b"".join(batch.frames), batch.cursor
    if ended:
        queue.finish(1, completed())

    pieces += b"".join(queue.read(cursor).frames)

    assert pieces == b"".join(queue.read(START).frames)


def test_a_read_between_a_takeover_and_its_first_event_loses_no_place() -> None:
    queue = EventQueue(100, 100_000)
    queue.append(1, said())
    queue.begin(2)
    cursor = queue.read(START).cursor

    queue.append(2, said())

    batch = queue.read(cursor)
    assert (cursor, batch.reset) == (Cursor(1, 1), False)
    assert [message.id for message in sse.decode(batch.frames)] == ["2-1"]


@examples(80)
@given(st.lists(st.tuples(st.sampled_from(["text", "reasoning", "code"]), st.text(max_size=40)), max_size=400))
def test_the_end_always_fits_whatever_was_said_before(said_before: list[tuple[str, str]]) -> None:
    bound = 30_000
    queue, parts = EventQueue(1_000, bound), []
    for index, (part, text) in enumerate(said_before):
        data = {"text": text, "part": part, "index": index}
        try:
            queue.append(1, Event("response_chunk", {**data, "kind": "code"} if part == "code" else data))
        except BudgetExceeded:
            break
        parts.append({**data, "kind": "code"} if part == "code" else data)
    text = "".join(part["text"] for part in parts if part["part"] == "text")

    queue.finish(1, Event("complete", {"text": text, "parts": parts, "outcome": "completed"}))

    assert queue.bytes <= bound
