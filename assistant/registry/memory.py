"""MemoryRegistry: the thread-safe registry of one worker process, a dict behind one lock.

Its lock is never held while anything waits or while a callback runs, so it may be a native one under gevent: no greenlet
is ever switched to while another holds it, and a thread waits for a few microseconds at most. It belongs to one process:
with several workers a GET would reach a process that does not know the id, so the wiring refuses that.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

from .. import sse
from ..actions import ActionState, Verdict
from ..agenda import Agenda
from ..clock import Clock
from ..config import Settings
from ..errors import Gone, IdempotencyMismatch, NotFound, ServerFull, TooManyActive, TooManyViewers
from ..events import Event, status
from ..models import ActionReply, Cursor, RequestContext, Status
from ..protocols import Batch, Created, IdempotencyKey, Inbox, Orphan, Overdue, Removed, Snapshot, Wake
from .life import Life, end_of
from .queue import EventQueue

# How long a client should wait before it tries again; seconds. A place is free as soon as one answer ends.
_RETRY_ACTIVE = 2.0
_RETRY_FULL = 5.0
# Ids remembered as gone, newest first (protocol, Life of a request).
_TOMBSTONES = 10_000
# The first event of every log, without its moment.
_ACCEPTED = status(Status.ACCEPTED)
# Every moment is later.
_AT_ONCE = 0


class _Proposal(NamedTuple):
    """An action that was proposed, by which event, and what has become of it."""

    state: ActionState
    data: dict[str, Any]


@dataclass(slots=True, eq=False, kw_only=True)
class _Entry(Life):
    """One request with its log."""

    queue: EventQueue
    key: tuple[str, str] | None = None
    proposals: dict[str, _Proposal] | None = None  # by their ids; made for the first one

    @property
    def size(self) -> int:
        return self.ctx.size + self.queue.bytes

    def action(self, action_id: str) -> ActionState:
        """Raises NotFound for one that was not proposed."""
        proposal = (self.proposals or {}).get(action_id)
        if proposal is None:
            raise NotFound("There is no such action.")
        return proposal.state

    def pending(self) -> list[_Proposal]:
        return [one for one in self.proposals.values() if one.state.pending] if self.proposals else []


class _Watching:
    """One viewer of a request; a class and not a generator, because every open stream holds one."""

    __slots__ = ("_entry", "_registry", "_wake")

    def __init__(self, registry: MemoryRegistry, entry: _Entry, wake: Wake) -> None:
        self._registry, self._entry, self._wake = registry, entry, wake

    def __enter__(self) -> None:
        self._registry.enter(self._entry, self._wake)

    def __exit__(self, *_: object) -> None:
        self._registry.leave(self._entry, self._wake)


class MemoryRegistry:
    """RequestRegistry in this process's memory."""

    shared = False

    def __init__(
        self, settings: Settings, clock: Clock | None = None, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._lock = lock or Lock()
        self._entries: dict[str, _Entry] = {}
        self._live: dict[str, _Entry] = {}
        self._agenda: Agenda[_Entry] = Agenda()  # of the live ones, by when one of their clocks may be over
        self._ended: dict[str, _Entry] = {}  # in the order of their ends
        self._users: dict[str, dict[str, _Entry]] = {}
        self._active: Counter[str] = Counter()
        self._keys: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._tombstones: dict[str, tuple[str, float]] = {}
        self._evicted: list[Removed] = []
        self.bytes = 0

    # --- the life of a request ---
    def create(self, ctx: RequestContext, key: IdempotencyKey | None = None) -> Created:
        entry = self._new_entry(ctx)
        with self._lock:
            if key is not None:
                if (earlier := self._replayed(ctx.user_id, key)) is not None:
                    return Created(earlier, replayed=True)
                entry.key = (ctx.user_id, key.key)
            self._admit(entry)
            if key is not None and entry.key is not None:
                self._keys[entry.key] = (key.digest, ctx.request_id)
        return Created(ctx)

    def replayed(self, user_id: str, key: IdempotencyKey) -> RequestContext | None:
        with self._lock:
            return self._replayed(user_id, key)

    def get(self, request_id: str, user_id: str) -> RequestContext:
        with self._lock:
            entry = self._entries.get(request_id)
            if entry is not None and entry.ctx.user_id == user_id:
                return entry.ctx
            if request_id in self._tombstones and self._tombstones[request_id][0] == user_id:
                raise Gone
        raise NotFound

    def snapshot(self, request_id: str) -> Snapshot:
        entry = self._entry(request_id)
        with self._lock:
            return _snapshot(entry, self._clock.monotonic())

    def result(self, request_id: str) -> dict[str, Any] | None:
        queue = self._entry(request_id).queue
        if not queue.closed:
            return None
        (message,) = sse.decode([queue.terminal()])
        data: dict[str, Any] = message.json()
        return data

    def requests_of(self, user_id: str) -> list[Snapshot]:
        with self._lock:
            now = self._clock.monotonic()
            return [_snapshot(entry, now) for entry in reversed(self._users.get(user_id, {}).values())]

    def active(self, user_id: str | None = None) -> int:
        with self._lock:
            return len(self._live) if user_id is None else self._active[user_id]

    def append(self, request_id: str, attempt: int, event: Event) -> Cursor:
        entry = self._entries.get(request_id)  # as `_entry`: here each call counts
        if entry is None:
            raise NotFound
        queue = entry.queue
        with self._lock:
            before = queue.bytes
            cursor = queue.append(attempt, event)
            self.bytes += queue.bytes - before
            entry.note(event, self._clock.monotonic())
            if event.name == "status":
                self._look_at(entry)
            elif event.name == "action":
                _keep_action(entry, event.data)
        for wake in queue.wakers:
            wake()
        return cursor

    def finish(self, request_id: str, attempt: int, terminal: Event) -> Cursor:
        entry = self._entry(request_id)
        with self._lock:
            before = entry.queue.bytes
            cursor = entry.queue.finish(attempt, terminal)
            self.bytes += entry.queue.bytes - before
            entry.status = end_of(terminal)
            entry.ended = self._clock.monotonic()
            entry.inbox = None
            for proposal in entry.pending():
                # one that wants nothing may still be claimed: nobody waits for it, and a page may replay the log later
                if proposal.state.wants != "nothing":
                    proposal.state.phase = "expired"
            self._release(entry)
        entry.queue.wake()
        return cursor

    # --- viewers ---
    def read(self, request_id: str, after: Cursor) -> Batch:
        entry = self._entries.get(request_id)  # as in `append`
        if entry is None:
            raise NotFound
        return entry.queue.read(after)

    def watch(self, request_id: str, wake: Wake) -> AbstractContextManager[None]:
        return _Watching(self, self._entry(request_id), wake)

    def enter(self, entry: _Entry, wake: Wake) -> None:
        with self._lock:
            if entry.viewers >= self._settings.max_viewers:
                raise TooManyViewers(retry_after=_RETRY_ACTIVE)
            entry.viewers += 1
            entry.views += 1
            entry.queue.add_waker(wake)

    def leave(self, entry: _Entry, wake: Wake) -> None:
        with self._lock:
            entry.queue.remove_waker(wake)
            entry.viewers -= 1
            entry.left = self._clock.monotonic()
            self._look_at(entry)

    # --- messages to the owner ---
    def own(self, request_id: str, inbox: Inbox) -> None:
        entry = self._entry(request_id)
        with self._lock:
            if not entry.queue.closed:
                entry.inbox = inbox
            reason = entry.stop_reason
        if reason is not None:
            inbox.stop(reason)

    def stop(self, request_id: str, reason: str) -> bool:
        entry = self._entry(request_id)
        with self._lock:
            if entry.queue.closed:
                return False
            if entry.stop_reason is not None:
                return True
            entry.stop_reason = reason
            inbox = entry.inbox
        if inbox is not None:
            inbox.stop(reason)
        return True

    def answer(self, request_id: str, action_id: str, reply: ActionReply) -> Verdict:
        entry = self._entry(request_id)
        with self._lock:
            state = entry.action(action_id)
            verdict = state.apply(reply, self._clock.now())
            inbox = entry.inbox if verdict is Verdict.TAKEN else None
        if inbox is not None:
            inbox.answer(action_id, reply)
        return verdict

    def expire_action(self, request_id: str, action_id: str) -> bool:
        entry = self._entry(request_id)
        with self._lock:
            state = entry.action(action_id)
            if not state.pending:
                return False
            state.phase = "expired"
            return True

    # --- the janitor's questions ---
    def overdue(self) -> list[Overdue]:
        now, found = self._clock.monotonic(), []
        with self._lock:
            for entry in self._agenda.due(now):
                code = entry.late(self._settings, now)
                self._agenda.move(entry, now if code else entry.quiet_until(self._settings))
                if code is not None:
                    found.append(Overdue(entry.ctx.request_id, code))
        return found

    def sweep(self) -> list[Removed]:
        now = self._clock.monotonic()
        with self._lock:
            for entry in list(self._ended.values()):
                if entry.ended + self._settings.retention > now:
                    break
                if not entry.viewers:
                    self._drop(entry, now)
                    self._evicted.append(Removed(entry.ctx.request_id, "expired"))
            self._make_room(0, now)
            self._bury(now)
            removed, self._evicted = self._evicted, []
        return removed

    def reap(self) -> list[Orphan]:
        """Nobody is left to take over what was lost with the process."""
        return []

    def ping(self) -> None:
        """Memory is always reachable."""

    def close(self) -> None:
        with self._lock:
            for held in (
                self._entries,
                self._live,
                self._agenda,
                self._ended,
                self._users,
                self._active,
                self._keys,
                self._tombstones,
            ):
                held.clear()
            self.bytes = 0

    # --- inside; all below but _entry and _new_entry run under the lock ---
    def _entry(self, request_id: str) -> _Entry:
        entry = self._entries.get(request_id)
        if entry is None:
            raise NotFound
        return entry

    def _new_entry(self, ctx: RequestContext) -> _Entry:
        now = self._clock.monotonic()
        settings = self._settings
        queue = EventQueue(settings.max_request_events, settings.max_request_bytes - ctx.size)
        entry = _Entry(ctx=ctx, queue=queue, created=now, last_event=now, answering_since=now, left=now)
        queue.append(ctx.attempt, Event(_ACCEPTED.name, {**_ACCEPTED.data, "ts": ctx.created_at}))
        return entry

    def _replayed(self, user_id: str, key: IdempotencyKey) -> RequestContext | None:
        digest, request_id = self._keys.get((user_id, key.key), (b"", ""))
        if not request_id:
            return None
        if digest != key.digest:
            raise IdempotencyMismatch
        return self._entries[request_id].ctx

    def _admit(self, entry: _Entry) -> None:
        user_id, settings = entry.ctx.user_id, self._settings
        if self._active[user_id] >= settings.max_active_per_user:
            raise TooManyActive(
                retry_after=_RETRY_ACTIVE, scope="active", mode=entry.ctx.mode, limit=settings.max_active_per_user
            )
        if len(self._live) >= settings.max_active or not self._make_room(entry.size, self._clock.monotonic()):
            raise ServerFull(retry_after=_RETRY_FULL)
        request_id = entry.ctx.request_id
        self._entries[request_id] = self._live[request_id] = entry
        self._agenda.put(entry, _AT_ONCE)
        self._users.setdefault(user_id, {})[request_id] = entry
        self._active[user_id] += 1
        self.bytes += entry.size

    def _release(self, entry: _Entry) -> None:
        """Moves an ended request from the running to the kept ones; its place is free at once."""
        request_id, user_id = entry.ctx.request_id, entry.ctx.user_id
        del self._live[request_id]
        self._agenda.take(entry)
        self._ended[request_id] = entry
        self._active[user_id] -= 1
        if not self._active[user_id]:
            del self._active[user_id]

    def _look_at(self, entry: _Entry) -> None:
        """Other clocks run now: the next question looks at it, while it runs."""
        if entry.look_in != _AT_ONCE:
            self._agenda.move(entry, _AT_ONCE)

    def _make_room(self, size: int, now: float) -> bool:
        """Evicts ended logs, the oldest first, until `size` more bytes fit; False when that is not enough."""
        limit = self._settings.max_bytes
        if self.bytes + size <= limit:
            return True
        for entry in list(self._ended.values()):
            if not entry.viewers:
                self._drop(entry, now)
                self._evicted.append(Removed(entry.ctx.request_id, "evicted"))
                if self.bytes + size <= limit:
                    return True
        return False

    def _drop(self, entry: _Entry, now: float) -> None:
        request_id, user_id = entry.ctx.request_id, entry.ctx.user_id
        del self._entries[request_id], self._ended[request_id], self._users[user_id][request_id]
        if not self._users[user_id]:
            del self._users[user_id]
        if entry.key is not None:
            self._keys.pop(entry.key, None)
        self.bytes -= entry.size
        self._tombstones[request_id] = (user_id, now)

    def _bury(self, now: float) -> None:
        """Forgets tombstones that are too old or too many; they stand in the order of their making."""
        surplus = len(self._tombstones) - _TOMBSTONES
        for request_id, (_, since) in list(self._tombstones.items()):
            if surplus <= 0 and since + self._settings.tombstone > now:
                break
            del self._tombstones[request_id]
            surplus -= 1


def _keep_action(entry: _Entry, data: dict[str, Any]) -> None:
    """Remembers a proposed action; the later phases come from replies."""
    if data["phase"] == "proposed":
        action_id = data["action_id"]
        state = ActionState(action_id, data["name"], data["wants"], data["expires_at"])
        if entry.proposals is None:
            entry.proposals = {}
        entry.proposals[action_id] = _Proposal(state, data)


def _snapshot(entry: _Entry, now: float) -> Snapshot:
    queue = entry.queue
    return Snapshot(
        ctx=entry.ctx,
        status=entry.shown(closed=queue.closed),
        last_event=queue.last,
        viewers=entry.viewers,
        events=len(queue),
        bytes=entry.size,
        pending_actions=[{**data, "phase": state.phase} for state, data in entry.pending()],
        views=entry.views,
        duration=round((entry.ended if queue.closed else now) - entry.created, 6),
    )
