"""Held: a running request that this process owns, with its events on their way to Redis."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from threading import Event as Flag
from typing import Any, NamedTuple

from ... import sse
from ...config import Settings
from ...errors import AssistantError, BudgetExceeded, Fenced, RequestClosed
from ...events import Event
from ...models import RequestContext
from ..life import Life, end_of
from ..queue import ENVELOPE, repeated
from .mirror import Mirror
from .record import Action

# What one entry of a stream holds at most, a single event aside; bytes. A log that waited out a pause goes in pieces.
_ENTRY = 512 * 1024


class Piece(NamedTuple):
    """One event on its way: its number, its frame, and what others may want to know of it without reading it."""

    seq: int
    frame: bytes
    state: str = ""
    loud: bool = True  # part of an answer, so the request cannot be started again unseen
    action: tuple[str, bytes] | None = None
    end: str = ""


class Batch(NamedTuple):
    """Consecutive events that go into one entry."""

    held: Held
    pieces: list[Piece]

    @property
    def first(self) -> int:
        return self.pieces[0].seq

    @property
    def last(self) -> int:
        return self.pieces[-1].seq

    @property
    def arguments(self) -> list[Any]:
        """What the script `append` is told of it."""
        held, pieces = self.held, self.pieces
        state = next((piece.state for piece in reversed(pieces) if piece.state), "")
        loud = "1" if any(piece.loud and not piece.end for piece in pieces) else ""
        later = list(islice(held.pending, len(pieces), None))  # what the next batch brings
        size = held.size - sum(len(piece.frame) for piece in later)
        actions = [part for piece in pieces if piece.action for part in piece.action]
        return [
            held.ctx.request_id, held.attempt, self.first, self.last, b"".join(piece.frame for piece in pieces), state, loud,
            size, held.events - len(later), pieces[-1].end, len(actions) // 2, *actions,
        ]  # fmt: skip


@dataclass(slots=True, eq=False, kw_only=True)
class Held(Life):
    """Its writer numbers and encodes events within the bounds of the log; the mirror has those that Redis has."""

    mirror: Mirror
    seq: int  # of the newest event, here or on its way
    events: int
    size: int  # of all frames, here or on their way; bytes
    owed: int = ENVELOPE
    pending: deque[Piece] = field(default_factory=deque)
    since: float = 0.0  # when the oldest pending event came; real monotonic seconds
    closing: bool = False
    given_up: bool = False
    checked: float = 0.0  # when other processes were last asked for viewers
    settled: Flag = field(default_factory=Flag)  # the end is in Redis, or will never be
    refusal: AssistantError | None = None

    @property
    def attempt(self) -> int:
        return self.ctx.attempt

    def append(self, attempt: int, event: Event, limits: Settings) -> Piece:
        """Numbers and encodes an event. Raises RequestClosed, Fenced, BudgetExceeded."""
        payload = sse.dumps(event.data)
        owed = repeated(event, payload)
        self._check(attempt)
        frame = sse.numbered(event.name, payload, attempt, self.seq + 1)
        room = limits.max_request_bytes - self.ctx.size
        if self.events + 2 > limits.max_request_events or self.size + len(frame) + self.owed + owed > room:
            raise BudgetExceeded
        self.owed += owed
        return self._keep(_piece(event, self.seq + 1, frame))

    def finish(self, attempt: int, terminal: Event) -> Piece:
        """Numbers and encodes the last event; nothing follows it. Raises RequestClosed, Fenced."""
        payload = sse.dumps(terminal.data)
        self._check(attempt)
        frame = sse.numbered(terminal.name, payload, attempt, self.seq + 1)
        self.closing = True
        return self._keep(Piece(self.seq + 1, frame, end=end_of(terminal).value))

    def next_batch(self) -> Batch | None:
        """The oldest events on their way, at most as many as one entry holds."""
        pieces: list[Piece] = []
        size = 0
        for piece in self.pending:
            size += len(piece.frame)
            if pieces and size > _ENTRY:
                break
            pieces.append(piece)
        return Batch(self, pieces) if pieces else None

    def acknowledged(self, last: int) -> list[bytes]:
        """Takes what Redis has off the way and puts it into the mirror; the frames that are new there."""
        done: list[Piece] = []
        while self.pending and self.pending[0].seq <= last:
            done.append(self.pending.popleft())
        if done:
            self.mirror.touched = time.monotonic()
            self.mirror.take(self.attempt, done[0].seq, [piece.frame for piece in done], closed=bool(done[-1].end))
        return [piece.frame for piece in done]

    def resend(self, last: int) -> bool:
        """Puts events behind `last`, which Redis had and has no more, on their way again; False when they are not here."""
        place = self.mirror.place
        if place.attempt != self.attempt or last > place.seq or self.mirror.closed:
            return False
        for offset, frame in reversed(list(enumerate(self.mirror.behind(last), last + 1))):
            if not self.pending or offset < self.pending[0].seq:
                self.pending.appendleft(Piece(offset, frame))
        return True

    def _check(self, attempt: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self.closing:
            raise RequestClosed
        if attempt != self.attempt:
            raise Fenced

    def _keep(self, piece: Piece) -> Piece:
        self.pending.append(piece)
        self.seq += 1
        self.events += 1
        self.size += len(piece.frame)
        return piece


def _piece(event: Event, seq: int, frame: bytes) -> Piece:
    if event.name == "response_chunk":  # nearly always
        return Piece(seq, frame)
    if event.name == "status":
        return Piece(seq, frame, state=event.data["state"], loud=False)
    if event.name == "action" and event.data["phase"] == "proposed":
        action = Action.proposed(event.data)
        return Piece(seq, frame, action=(action.state.action_id, action.dump()))
    return Piece(seq, frame, loud=event.name != "stage")


def new(ctx: RequestContext, first: bytes, now: float) -> Held:
    """A request that was just admitted, with its first event."""
    mirror = Mirror()
    mirror.take(ctx.attempt, 1, [first], closed=False)
    return Held(ctx=ctx, created=now, last_event=now, answering_since=now, left=now, mirror=mirror, seq=1, events=1,
                size=len(first))  # fmt: skip
