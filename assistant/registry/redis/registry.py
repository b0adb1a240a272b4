"""RedisRegistry: the requests of a deployment in Redis, for any number of processes and hosts.

Redis holds the truth. What this process owns it also has at hand (Held), and what is watched here it has a copy of
(Mirror); so appending and reading never wait. Nothing reaches a viewer before Redis has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from typing import Any

from ... import sse
from ...actions import Verdict
from ...clock import Clock
from ...config import Settings
from ...errors import (
    AssistantError,
    Fenced,
    Gone,
    NotFound,
    RequestClosed,
    StoreUnavailable,
)
from ...events import Event
from ...models import ActionReply, Cursor, RequestContext, Status
from ...protocols import Batch, Created, IdempotencyKey, Inbox, Orphan, Overdue, Removed, Snapshot, Wake
from .admission import Admission
from .audience import Audience
from .connection import RETRY_AFTER
from .owners import Owners
from .process import Process
from .record import Record, load_ctx
from .writer import PATIENCE

# Ids remembered as gone, newest first (protocol, Life of a request).
_TOMBSTONES = 10_000
# Most requests of a user that one look brings.
_LISTED = 500
# What a sweep looks at, and what a reaper takes over, in one step.
_SWEPT, _REAPED = 200, 100


class RedisRegistry:
    """RequestRegistry in Redis. `moment` tells the time of requests' clocks; Redis itself does when it is None."""

    shared = True

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        *,
        moment: Callable[[], int] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._moment: Callable[[], Any] = moment or str  # "" asks Redis
        self._lock = Lock()
        self._process = Process(settings, self._clock, self._lock, self._moment, sender=self)
        self._audience = Audience(self._process, settings, self._lock, self._clock, self._moment)
        self._owners = Owners(self._process, self._lock, self._clock)
        self._process.listener.letter = self._owners.deliver
        self._admission = Admission(self._process, settings, self._clock, self._moment)

    @property
    def process(self) -> Process:
        """The parts of this process, running."""
        self._process.ensure()
        return self._process

    @property
    def audience(self) -> Audience:
        self._process.ensure()
        return self._audience

    @property
    def owners(self) -> Owners:
        self._process.ensure()
        return self._owners

    def _run(self, script: str, *arguments: Any) -> Any:
        return self.process.scripts.run(script, *arguments)

    # --- the life of a request ---
    def create(self, ctx: RequestContext, key: IdempotencyKey | None = None) -> Created:
        self._process.ensure()
        earlier = self._admission.admit(ctx, key)
        return Created(ctx) if earlier is None else Created(self.get(earlier, ctx.user_id), replayed=True)

    def replayed(self, user_id: str, key: IdempotencyKey) -> RequestContext | None:
        self._process.ensure()
        earlier = self._admission.replayed(user_id, key)
        return None if earlier is None else self.get(earlier, user_id)

    def get(self, request_id: str, user_id: str) -> RequestContext:
        held = self.process.held.get(request_id)
        if held is not None:
            if held.ctx.user_id == user_id:
                return held.ctx
            raise NotFound
        answer = self._run("get", request_id, user_id)
        if answer and answer[0] == b"gone":
            raise Gone
        if not answer:
            raise NotFound
        _, facts, context, attempt, size = answer
        return load_ctx(facts, context, attempt, size)

    def snapshot(self, request_id: str) -> Snapshot:
        snapshot = self._record(request_id).snapshot(self._audience.here(request_id))
        held = self._process.held.get(request_id)
        stopped = held is not None and held.stop_reason == "cancelled" and not snapshot.status.ended
        return replace(snapshot, status=Status.CANCELLING) if stopped else snapshot  # Redis hears of it a moment later

    def _record(self, request_id: str) -> Record:
        return self.process.record(request_id)

    def result(self, request_id: str) -> dict[str, Any] | None:
        mirror = self.process.mirrors.current(request_id)
        if not mirror.closed:  # its end may not have come here yet
            self.process.mirrors.catch_up(request_id, mirror)
        if not mirror.closed:
            return None
        (message,) = sse.decode([mirror.terminal()])
        data: dict[str, Any] = message.json()
        return data

    def requests_of(self, user_id: str) -> list[Snapshot]:
        """Without what the clients sent as `context`, which may be large."""
        found = []
        for request_id in self._run("listed", user_id, _LISTED):
            try:
                record = self._record(request_id.decode())
            except NotFound:
                continue
            found.append(record.snapshot(self._audience.here(request_id.decode()), brief=True))
        return found

    def active(self, user_id: str | None = None) -> int:
        if user_id is None:
            return len(self.process.held)
        return int(self._run("active", user_id, self._moment()))

    def append(self, request_id: str, attempt: int, event: Event) -> Cursor:
        process = self.process
        with self._lock:
            held = process.held.get(request_id)
            if held is not None:
                piece = held.append(attempt, event, self._settings)
                held.note(event, self._clock.monotonic())
                process.writer.add(held)
        if held is None:
            raise self._not_mine(request_id)
        process.writer.ring()
        return Cursor(attempt, piece.seq)

    def finish(self, request_id: str, attempt: int, terminal: Event) -> Cursor:
        """Waits until Redis has the end, or has refused it. Raises StoreUnavailable when it does neither in time."""
        process = self.process
        with self._lock:
            held = process.held.get(request_id)
            if held is not None:
                piece = held.finish(attempt, terminal)
                process.writer.add(held)
        if held is None:
            raise self._not_mine(request_id)
        process.writer.ring()
        self._settle()
        if not held.settled.wait(PATIENCE):
            raise StoreUnavailable(retry_after=RETRY_AFTER)
        if held.refusal is not None:
            raise held.refusal
        return Cursor(attempt, piece.seq)

    def _settle(self) -> None:
        """What has just been written may be flushed here by those who must not wait for the writer's turn."""

    def _not_mine(self, request_id: str) -> AssistantError:
        record = self._record(request_id)
        return RequestClosed() if record.ended else Fenced()

    # --- viewers ---
    def read(self, request_id: str, after: Cursor) -> Batch:
        mirror = self.process.mirrors.current(request_id)
        batch = mirror.read(after)
        if batch.reset and after > mirror.place:  # seen elsewhere, before the answer that says so has come here
            self.process.mirrors.catch_up(request_id, mirror)
            batch = mirror.read(after)
        return batch

    def watch(self, request_id: str, wake: Wake) -> AbstractContextManager[None]:
        return self.audience.watching(request_id, wake)

    # --- messages to the owner ---
    def own(self, request_id: str, inbox: Inbox) -> None:
        if not self.owners.own(request_id, inbox):
            self._record(request_id)  # raises NotFound where there is none

    def stop(self, request_id: str, reason: str) -> bool:
        return self.owners.stop(request_id, reason)

    def answer(self, request_id: str, action_id: str, reply: ActionReply) -> Verdict:
        verdict = self.owners.answer(request_id, action_id, reply)
        self._settle_inbox()
        return verdict

    def expire_action(self, request_id: str, action_id: str) -> bool:
        return self.owners.expire_action(request_id, action_id)

    def _settle_inbox(self) -> None:
        """As `_settle`, for messages."""

    # --- the janitor's questions ---
    def overdue(self) -> list[Overdue]:
        """Those of this process; each process sees to its own."""
        now = self._clock.monotonic()
        with self._lock:
            running = [held for held in self.process.held.values() if not held.closing]
        late = []
        for held in running:
            code = held.late(self._settings, now)
            if code == "abandoned" and not self._audience.has_left(held, now):
                code = None
            if code is not None:
                late.append(Overdue(held.ctx.request_id, code))
        return late

    def sweep(self) -> list[Removed]:
        process, settings = self.process, self._settings
        if not process.store.up or not process.writer.flush():
            return []
        removed: list[Removed] = []
        offset = 0
        while True:
            seen, gone = self._run(
                "sweep", self._moment(), round(settings.tombstone * 1000), _TOMBSTONES, offset, _SWEPT
            )
            removed += [Removed(name.decode(), "expired") for name in gone]
            offset += seen - len(gone)
            if seen < _SWEPT:
                break
        for one in removed:
            process.mirrors.drop(one.request_id)
        return removed

    def reap(self) -> Sequence[Orphan]:
        process = self.process
        if not process.store.up:
            return []
        only_freed = "" if process.pulse.may_judge else "1"
        process.taking = True
        try:
            names = self._run("reap", process.name, only_freed, _REAPED)
            return process.adopt([name.decode() for name in names]) if names else []
        finally:
            process.taking = False

    def ping(self) -> None:
        self.process.ping()

    def close(self) -> None:
        self._process.close()
