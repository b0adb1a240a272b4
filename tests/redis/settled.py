"""Registries for the contract: what a call has written is in Redis, and seen, when the call returns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistant.clock import Clock
from assistant.config import Settings
from assistant.events import Event
from assistant.models import START, ActionReply, Cursor, RequestContext
from assistant.protocols import Batch, Created, IdempotencyKey, Inbox, Orphan, Overdue, Removed, Snapshot, Wake
from assistant.registry.redis import RedisRegistry
from assistant.testing import FakeClock

# Longest that a message to the other process may take; seconds.
SOON = 10.0


class Settled(RedisRegistry):
    """Flushes by itself instead of waiting for the writer's turn."""

    def append(self, *given: Any) -> Any:
        cursor = super().append(*given)
        self._process.writer.flush()
        return cursor

    def _settle(self) -> None:
        self._process.writer.flush()

    def _settle_inbox(self) -> None:
        self._process.listener.read_inbox()

    def settle_inbox(self) -> None:
        self._process.listener.read_inbox()

    def flush(self) -> None:
        self._process.writer.flush()

    def last(self, request_id: str) -> Cursor | None:
        """The newest event of the copy here, where somebody watches it."""
        mirror = self._process.mirrors.find(request_id)
        return mirror.last if mirror is not None and mirror.pins else None


class Told:
    """A viewer's waker, and the newest event it was rung for."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self.last = START

    def ring(self, last: Cursor | None) -> None:
        self._wake()
        self.last = last or self.last


class Apart:
    """One registry made of two, as in two processes: the first owns what is created, everybody else talks to the second."""

    shared = True

    def __init__(self, settings: Settings, clock: FakeClock | Clock) -> None:
        self.owner = Settled(settings, clock, moment=clock.now)
        self.other = Settled(settings, clock, moment=clock.now)
        self._told: dict[str, list[Told]] = {}

    # --- of the owner ---
    def create(self, ctx: RequestContext, key: IdempotencyKey | None = None) -> Created:
        return self.owner.create(ctx, key)

    def append(self, request_id: str, attempt: int, event: Event) -> Cursor:
        return self._seen(request_id, self.owner.append(request_id, attempt, event))

    def finish(self, request_id: str, attempt: int, terminal: Event) -> Cursor:
        return self._seen(request_id, self.owner.finish(request_id, attempt, terminal))

    def own(self, request_id: str, inbox: Inbox) -> None:
        self.owner.settle_inbox()
        self.owner.own(request_id, inbox)

    def overdue(self) -> list[Overdue]:
        self.other.flush()
        return self.owner.overdue()

    def active(self, user_id: str | None = None) -> int:
        return self.owner.active() if user_id is None else self.other.active(user_id)

    def expire_action(self, request_id: str, action_id: str) -> bool:
        return self.owner.expire_action(request_id, action_id)

    # --- of anybody ---
    def replayed(self, user_id: str, key: IdempotencyKey) -> RequestContext | None:
        return self.other.replayed(user_id, key)

    def get(self, request_id: str, user_id: str) -> RequestContext:
        return self.other.get(request_id, user_id)

    def snapshot(self, request_id: str) -> Snapshot:
        return self.other.snapshot(request_id)

    def result(self, request_id: str) -> dict[str, Any] | None:
        return self.other.result(request_id)

    def requests_of(self, user_id: str) -> list[Snapshot]:
        return self.other.requests_of(user_id)

    def read(self, request_id: str, after: Cursor) -> Batch:
        return self.other.read(request_id, after)

    @contextmanager
    def watch(self, request_id: str, wake: Wake) -> Iterator[None]:
        told = Told(wake)
        with self.other.watch(request_id, lambda: told.ring(self.other.last(request_id))):
            self._told.setdefault(request_id, []).append(told)
            try:
                yield
            finally:
                self._told[request_id].remove(told)

    def stop(self, request_id: str, reason: str) -> bool:
        told = self.other.stop(request_id, reason)
        self.owner.settle_inbox()
        return told

    def answer(self, request_id: str, action_id: str, reply: ActionReply) -> Any:
        verdict = self.other.answer(request_id, action_id, reply)
        self.owner.settle_inbox()
        return verdict

    def sweep(self) -> list[Removed]:
        return self.other.sweep()

    def reap(self) -> list[Orphan]:
        return [*self.owner.reap(), *self.other.reap()]

    def ping(self) -> None:
        self.other.ping()

    def close(self) -> None:
        self.other.close()
        self.owner.close()

    def _seen(self, request_id: str, cursor: Cursor) -> Cursor:
        until = time.monotonic() + SOON
        while any(one.last < cursor for one in self._told.get(request_id, ())):
            assert time.monotonic() < until, "an event did not reach the other process"
            time.sleep(0.0005)
        return cursor
