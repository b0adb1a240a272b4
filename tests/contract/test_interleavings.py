"""MemoryRegistry against its model: random turns of creating, writing, watching, stopping, ending and sweeping."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from assistant import sse
from assistant.config import Settings
from assistant.errors import Gone, NotFound, RequestClosed, TooManyActive
from assistant.models import START, Cursor, Status
from assistant.registry.memory import MemoryRegistry
from assistant.testing import FakeClock
from assistant.testing.contract import Recorder, Scene, completed, failed, said
from tests.properties import examples

_USERS = ("ada", "bob")
_PATIENT = 10.0  # retention of these tests; seconds


@dataclass
class Known:
    """What the model knows of a request."""

    user: str
    texts: list[str] = field(default_factory=lambda: ["accepted"])
    ended: float | None = None
    reason: str | None = None
    inbox: Recorder | None = None
    seen: dict[int, tuple[Cursor, bytes]] = field(default_factory=dict)
    watches: list[AbstractContextManager[None]] = field(default_factory=list)
    dropped: bool = False


class RegistryMachine(RuleBasedStateMachine):
    requests: Bundle[str] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        clock, settings = FakeClock(), Settings(max_active_per_user=3, retention=_PATIENT)
        self.registry = MemoryRegistry(settings, clock)
        self.scene = Scene(self.registry, clock, settings)
        self.known: dict[str, Known] = {}

    @rule(target=requests, user=st.sampled_from(_USERS))
    def create(self, user: str) -> Any:
        if self._running(user) >= 3:
            with pytest.raises(TooManyActive):
                self.scene.create(user)
            return multiple()  # nothing came of it
        request_id = self.scene.create(user)
        self.known[request_id] = Known(user)
        return request_id

    @rule(request_id=requests, text=st.text(max_size=8))
    def append(self, request_id: str, text: str) -> None:
        known = self.known[request_id]
        if known.ended is not None:
            with pytest.raises(NotFound if known.dropped else RequestClosed):
                self.registry.append(request_id, 1, said(text))
            return
        known.texts.append(text)
        assert self.registry.append(request_id, 1, said(text)) == Cursor(1, len(known.texts))

    @rule(request_id=requests, terminal=st.sampled_from([completed("done"), failed("expired")]))
    def finish(self, request_id: str, terminal: Any) -> None:
        known = self.known[request_id]
        if known.ended is not None:
            with pytest.raises(NotFound if known.dropped else RequestClosed):
                self.registry.finish(request_id, 1, terminal)
            return
        self.registry.finish(request_id, 1, terminal)
        known.texts.append(terminal.name)
        known.ended = self.scene.clock.monotonic()

    @rule(request_id=requests, viewer=st.integers(0, 2), back=st.integers(0, 3))
    def read(self, request_id: str, viewer: int, back: int) -> None:
        """A viewer reads on; sometimes it lost the last frames on its way and comes back from before them."""
        known = self.known[request_id]
        if known.dropped:
            return
        cursor, seen = known.seen.get(viewer, (START, b""))
        for _ in range(min(back, cursor.seq)):
            cursor = Cursor(1, cursor.seq - 1) if cursor.seq > 1 else START
            seen = seen[: seen[:-2].rfind(b"\n\n") + 2] if cursor.seq else b""
        batch = self.registry.read(request_id, cursor)
        known.seen[viewer] = (batch.cursor, seen + b"".join(batch.frames))
        assert not batch.reset
        assert known.seen[viewer][1] == self.scene.bytes_of(request_id)

    @rule(request_id=requests)
    def watch(self, request_id: str) -> None:
        known = self.known[request_id]
        if not known.dropped and len(known.watches) < 10:
            watch = self.registry.watch(request_id, lambda: None)
            watch.__enter__()
            known.watches.append(watch)

    @rule(request_id=requests)
    def leave(self, request_id: str) -> None:
        if self.known[request_id].watches:
            self.known[request_id].watches.pop().__exit__(None, None, None)

    @rule(request_id=requests)
    def own(self, request_id: str) -> None:
        known = self.known[request_id]
        if known.inbox is None and known.ended is None:
            known.inbox = Recorder()
            self.registry.own(request_id, known.inbox)

    @rule(request_id=requests, reason=st.sampled_from(["cancelled", "expired", "draining"]))
    def stop(self, request_id: str, reason: str) -> None:
        known = self.known[request_id]
        if known.dropped:
            return
        assert self.registry.stop(request_id, reason) == (known.ended is None)
        if known.ended is None:
            known.reason = known.reason or reason

    @rule(seconds=st.sampled_from([1.0, 4.0, 11.0]))
    def sweep(self, seconds: float) -> None:
        self.scene.clock.advance(seconds)
        now = self.scene.clock.monotonic()
        due = {
            request_id
            for request_id, known in self.known.items()
            if known.ended is not None and known.ended + _PATIENT <= now and not known.watches and not known.dropped
        }
        assert set(self.scene.swept()) == due
        for request_id in due:
            self.known[request_id].dropped = True

    @invariant()
    def each_log_is_what_was_written_and_ends_at_most_once(self) -> None:
        for request_id, known in self.known.items():
            if known.dropped:
                continue
            messages = self.scene.log(request_id)
            assert [message.id for message in messages] == [f"1-{seq}" for seq in range(1, len(known.texts) + 1)]
            assert [_told(message) for message in messages] == known.texts
            snapshot = self.registry.snapshot(request_id)
            assert snapshot.status.ended == (known.ended is not None)
            assert (snapshot.status is Status.CANCELLING) == (known.ended is None and known.reason == "cancelled")
            assert snapshot.viewers == len(known.watches)

    @invariant()
    def the_first_reason_is_heard_once_by_the_owner(self) -> None:
        for known in self.known.values():
            if known.inbox is not None:
                assert known.inbox.stops == ([known.reason] if known.reason else [])

    @invariant()
    def the_books_balance(self) -> None:
        kept = [request_id for request_id, known in self.known.items() if not known.dropped]
        assert self.registry.bytes == sum(self.registry.snapshot(one).bytes for one in kept)
        assert self.registry.active() == sum(known.ended is None for known in self.known.values())
        for user in _USERS:
            assert self.registry.active(user) == self._running(user)
            assert [one.ctx.request_id for one in self.registry.requests_of(user)] == [
                one for one in reversed(kept) if self.known[one].user == user
            ]

    @invariant()
    def dropped_requests_are_gone_for_their_owner_alone(self) -> None:
        for request_id, known in self.known.items():
            if known.dropped:
                with pytest.raises(Gone):
                    self.registry.get(request_id, known.user)
                with pytest.raises(NotFound):
                    self.registry.get(request_id, "someone else")

    def teardown(self) -> None:
        for known in self.known.values():
            while known.watches:
                known.watches.pop().__exit__(None, None, None)
        self.registry.close()

    def _running(self, user: str) -> int:
        return sum(known.user == user and known.ended is None for known in self.known.values())


def _told(message: sse.Message) -> str:
    data = message.json()
    return str(data["text"] if message.event == "response_chunk" else data.get("state", message.event))


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = examples(50, steps=40)
