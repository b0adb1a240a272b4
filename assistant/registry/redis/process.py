"""Process: what one worker process holds of the registry: its connections, its name, its three greenlets (threads, where
nothing is patched), the requests it owns.

It begins with the first use in a process, also after a fork.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Any

from redis.exceptions import RedisError

from ...clock import Clock
from ...config import Settings
from ...errors import AssistantError, NotFound, RequestClosed, StoreLost, StoreUnavailable, WorkerLost
from ...protocols import Orphan
from ...signals import emit, store_changed
from ..queue import ENVELOPE, repeated
from . import checks
from .connection import RETRY_AFTER, Store, parse
from .held import Held
from .lease import LEASE, Pulse, process_name
from .listener import Listener
from .mirror import Mirror
from .mirrors import Mirrors
from .record import Record
from .scripts import Scripts
from .writer import Writer

log = logging.getLogger("assistant.registry")

# Which process this is. The kernel is not asked for each event.
_this_process = os.getpid()


def _forked() -> None:
    global _this_process  # noqa: PLW0603 - there is one
    _this_process = os.getpid()


os.register_at_fork(after_in_child=_forked)

# How long a closing process waits for its greenlets; seconds.
_GOODBYE = 3.0


class Process:
    """`lock` is the registry's; `sender` is that of signals."""

    lease_ms = round(LEASE * 1000)

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        lock: Lock,
        moment: Callable[[], Any],
        *,
        sender: Any,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = lock
        self._moment = moment
        self._sender = sender
        self._threads: list[Thread] = []
        self._starting = Lock()
        self._pid = 0
        self._checked = False
        self._suspects: set[str] = set()
        self.arriving: set[str] = set()  # requests whose admission has not been answered yet
        self.taking = False  # whether a takeover is going on
        self.name = ""
        self.held: dict[str, Held] = {}
        self.store = Store(parse(settings.registry))
        self.scripts = Scripts(self.store, settings.redis_prefix, sender)
        self.mirrors = Mirrors(self.store, self.scripts, lock, clock, bereft=self._bereft)
        self.writer = Writer(self.store, self.scripts, settings, lock, moment, ended=self._ended, stuck=self._stuck)
        self.listener = Listener(self.store, self.scripts, self.mirrors)
        self.pulse = Pulse(self.store, self.scripts, renewed=self._renewed, changed=self._changed)

    def ensure(self) -> None:
        """Runs in this process, also after a fork."""
        if self._pid == _this_process:
            return
        with self._starting:
            if self._pid == _this_process:
                return
            self.name = self.writer.process = self.listener.process = self.pulse.process = process_name()
            loops = {"writer": self.writer.run, "listener": self.listener.run, "pulse": self.pulse.run}
            self._threads = [Thread(target=loop, name=f"assistant-{name}", daemon=True) for name, loop in loops.items()]
            self._pid = _this_process
            for thread in self._threads:
                thread.start()

    def ping(self) -> None:
        """Raises StoreUnavailable when Redis does not answer."""
        if not self.store.up:
            raise StoreUnavailable(retry_after=RETRY_AFTER)
        try:
            self.store.commands.exists(
                self.scripts.key("leases")
            )  # and not PING, for which a cluster has all its nodes
        except RedisError as problem:
            raise self.store.failed(problem) from problem

    def chore(self, script: str, *arguments: Any) -> None:
        """Has a script run with the next flush. Returns at once."""
        with self._lock:
            self.writer.chore(script, *arguments)
        self.writer.ring()

    def close(self) -> None:
        """Writes what is pending, gives the lease back, and ends the greenlets."""
        if self._pid == _this_process:
            for part in (self.pulse, self.writer, self.listener):
                part.stop()
            for thread in self._threads:
                thread.join(_GOODBYE)
            if self.store.up and self.writer.flush():
                self._farewell()
        with self._lock:
            self.held.clear()
        self.store.close()

    def _farewell(self) -> None:
        try:
            self.scripts.run_anyway("free", self.name)
        except RedisError:
            return  # the lease ends by itself

    def record(self, request_id: str) -> Record:
        """A request as Redis has it. Raises NotFound, StoreUnavailable."""
        answer = self.scripts.run("look", request_id, self.name, self._moment())
        if not answer:
            raise NotFound
        return Record.of(answer)

    # --- the requests of this process ---
    def hold(self, held: Held) -> None:
        """This process owns the request from now on."""
        with self._lock:
            self.held[held.ctx.request_id] = held
            self.mirrors.hold(held.ctx.request_id, held.mirror)

    def adopt(self, names: Sequence[str]) -> list[Orphan]:
        """Makes requests that were taken over this process's own. All are read in one go: their viewers wait. Those that
        cannot be read are given free again; raises StoreUnavailable when that is all of them."""
        mirrors = {name: self._taken_over(name) for name in names}
        found: list[Orphan] = []
        try:
            pipe = self.store.commands.pipeline(transaction=False)
            for name, mirror in mirrors.items():
                self.scripts.queue(pipe, "look", name, self.name, self._moment())
                self.mirrors.queue(pipe, name, mirror)
            answers = pipe.execute()
            for name, look, entries in zip(names, answers[::2], answers[1::2], strict=True):
                if (orphan := self._adopted(name, mirrors[name], look, entries)) is not None:
                    found.append(orphan)
                    del mirrors[name]
        except RedisError as problem:
            if not found:
                raise self.store.failed(problem) from problem
            self.store.failed(problem)
        finally:
            for name, mirror in mirrors.items():
                self._give_back(name, mirror)
        return found

    def _give_back(self, request_id: str, mirror: Mirror) -> None:
        """Leaves a request that was taken over to whoever comes first; those who watch it here go on."""
        with self._lock:
            self.mirrors.let_go(request_id, mirror)
        self.chore("discard", request_id, self.name)

    def _adopted(self, request_id: str, mirror: Mirror, look: Any, entries: list[Any]) -> Orphan | None:
        """One of them; None when its log is lost."""
        if not look:
            return None
        record = Record.of(look)
        with self._lock:
            mirror.follow(entries)
        self.mirrors.repair(request_id, mirror)
        now = self._clock.monotonic()
        if record.ctx.attempt > mirror.place.attempt:
            mirror.begin(record.ctx.attempt)
        held = Held(
            ctx=record.ctx,
            created=now - record.age,
            last_event=now,
            answering_since=None if record.loud else now,
            left=now,
            views=record.views,
            stop_reason=record.stop,
            mirror=mirror,
            seq=0,
            events=len(mirror),
            size=mirror.bytes,
            owed=ENVELOPE + sum(repeated(event, payload) for event, payload in mirror.events()),
        )
        with self._lock:
            self.held[request_id] = held
        return Orphan(record.ctx, quiet=not record.loud)

    def _taken_over(self, request_id: str) -> Mirror:
        """The copy of the log that those here watch already, or a new one; it is the owner's from now on."""
        with self._lock:
            known = self.mirrors.find(request_id)
            mirror = known if known is not None and not known.closed else Mirror()
            self.mirrors.hold(request_id, mirror)
        return mirror

    def _ended(self, held: Held, refusal: AssistantError | None) -> None:
        """The request is not this process's to write any more: it has its end, or somebody else has it, or it is lost."""
        request_id = held.ctx.request_id
        with self._lock:
            if self.held.get(request_id) is not held:
                return
            del self.held[request_id]
            held.refusal = refusal
            held.pending.clear()
            inbox, held.inbox = held.inbox, None
            self.mirrors.let_go(request_id, held.mirror)
        if isinstance(refusal, StoreLost):
            log.error("Redis has lost a request", extra={"request_id": request_id})
            self.chore("scrap", request_id, held.ctx.user_id, self.name)
            self.mirrors.lose(held.mirror)
            held.refusal = RequestClosed()
        elif refusal is not None:
            log.warning("a request has another owner", extra={"request_id": request_id})
        held.settled.set()
        if refusal is not None and inbox is not None:
            inbox.stop(refusal.code if isinstance(refusal, StoreLost) else WorkerLost.code)

    def _bereft(self, request_id: str, refusal: AssistantError) -> None:
        held = self.held.get(request_id)
        if held is not None:
            self._ended(held, refusal)

    def _stuck(self, held: Held) -> None:
        """Redis has not taken the request's events for too long, or is full: its work ends."""
        log.error("the events of a request cannot be stored; it is stopped", extra={"request_id": held.ctx.request_id})
        with self._lock:
            held.stop_reason, inbox = held.stop_reason or StoreUnavailable.code, held.inbox
        if inbox is not None:
            inbox.stop(StoreUnavailable.code)

    # --- what the heartbeat finds ---
    def _changed(self, up: bool) -> None:
        emit(store_changed, self._sender, up=up)
        self.writer.ring()
        if up and not self._checked:
            self._checked = True
            for line in checks.findings(self.store):
                log.warning("%s", line)

    def _renewed(self, owned: int) -> None:
        """What Redis counts as this process's, and it does not know, was admitted while the answer was lost. One that is
        still coming in is no such thing, however long that takes. It is looked for twice: one may end meanwhile."""
        if owned <= len(self.held) and not self._suspects:
            return
        try:
            theirs = {name.decode() for name in self.store.commands.smembers(self.scripts.key("own", self.name))}
        except RedisError as problem:
            self.store.failed(problem)
            return
        if self.taking:
            return
        unknown = theirs - self.arriving - self.held.keys()  # in this order: what has arrived is held
        for request_id in unknown & self._suspects:
            self.chore("discard", request_id, self.name)
        self._suspects = unknown
