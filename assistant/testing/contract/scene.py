"""What the contract's tests stand on: one registry, its clock, and short names for what a server does with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ... import sse
from ...actions import Verdict
from ...clock import Clock
from ...config import Settings
from ...errors import AssistantError
from ...events import Event, chunk, status
from ...models import START, ActionReply, ClaimReply, Cursor, RequestContext, ResultReply, new_request_id
from ...protocols import Created, IdempotencyKey, RequestRegistry
from ..scripted import FakeClock

# Longest that a test waits for threads that should end at once; seconds.
SOON = 30.0
# When the actions of these tests expire, behind their proposal; ms.
ACTION_MS = 120_000


class Scene:
    """A registry and a clock that stands still."""

    def __init__(self, registry: RequestRegistry, clock: FakeClock, settings: Settings) -> None:
        self.registry = registry
        self.clock = clock
        self.settings = settings

    def context(self, user: str = "ada", *, size: int = 100, attempt: int = 1) -> RequestContext:
        now = self.clock.now()
        return RequestContext(
            new_request_id(now), user, "chat", "Hello", now, now + 1_800_000, attempt=attempt, size=size
        )

    def create(self, user: str = "ada", *, size: int = 100) -> str:
        return self.registry.create(self.context(user, size=size)).ctx.request_id

    def post(self, key: str, digest: bytes = b"body", user: str = "ada") -> Created:
        """A POST with an Idempotency-Key."""
        return self.registry.create(self.context(user), IdempotencyKey(key, digest))

    def say(self, request_id: str, text: str = "word", attempt: int = 1) -> Cursor:
        return self.registry.append(request_id, attempt, said(text))

    def state(self, request_id: str, state: str) -> Cursor:
        return self.registry.append(request_id, 1, status(state))

    def finish(self, request_id: str, text: str = "", attempt: int = 1) -> Cursor:
        return self.registry.finish(request_id, attempt, completed(text))

    def ended(self, user: str = "ada") -> str:
        """A request that has run to its end."""
        request_id = self.create(user)
        self.finish(request_id)
        return request_id

    def propose(self, request_id: str, action_id: str = "act-1", wants: str = "result") -> None:
        data = {"action_id": action_id, "name": "show", "args": {"x": 1}, "phase": "proposed", "wants": wants}
        self.registry.append(request_id, 1, Event("action", {**data, "expires_at": self.clock.now() + ACTION_MS}))

    def claim(self, request_id: str, claim: str = "tab-1", action_id: str = "act-1") -> Verdict:
        return self.registry.answer(request_id, action_id, ClaimReply(status="claimed", claim=claim))

    def reply(self, request_id: str, action_id: str = "act-1", **reply: Any) -> Verdict:
        return self.registry.answer(request_id, action_id, ResultReply(**{"status": "ok", **reply}))

    def bytes_of(self, request_id: str, after: Cursor = START) -> bytes:
        return b"".join(self.registry.read(request_id, after).frames)

    def log(self, request_id: str, after: Cursor = START) -> list[sse.Message]:
        return list(sse.decode([self.bytes_of(request_id, after)]))

    def ids(self, request_id: str, after: Cursor = START) -> list[str]:
        return [message.id for message in self.log(request_id, after)]

    def overdue(self) -> dict[str, str]:
        return {one.request_id: one.code for one in self.registry.overdue()}

    def swept(self) -> dict[str, str]:
        return {one.request_id: one.reason for one in self.registry.sweep()}


class Recorder:
    """An inbox that keeps what it is told."""

    def __init__(self) -> None:
        self.stops: list[str] = []
        self.answers: list[tuple[str, ActionReply]] = []

    def stop(self, reason: str) -> None:
        self.stops.append(reason)

    def answer(self, action_id: str, reply: ActionReply) -> None:
        self.answers.append((action_id, reply))


class Base:
    """What a team fills in: how its registry is made and, where it can tell, how many bytes it holds."""

    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        """A registry that is empty and shares nothing with those made before."""
        raise NotImplementedError

    def held(self, registry: RequestRegistry) -> int | None:
        """The bytes of all bodies and logs; None where the store does not count them, and those tests are skipped."""
        return None

    @contextmanager
    def scene(self, **settings: Any) -> Iterator[Scene]:
        clock, given = FakeClock(), Settings(**settings)
        registry = self.registry(given, clock)
        try:
            yield Scene(registry, clock, given)
        finally:
            registry.close()


def said(text: str = "word") -> Event:
    return Event("response_chunk", {**chunk(text).data, "index": 0, "ts": 0})


def completed(text: str = "", outcome: str = "completed") -> Event:
    return Event("complete", {"outcome": outcome, "text": text, "parts": [], "ts": 0})


def failed(code: str = "expired") -> Event:
    return Event("error", {"code": code, "message": code, "retryable": True, "ts": 0})


def together(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls return, or the AssistantError they raise, when all are made at the same moment."""
    results: list[Any] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(index: int) -> None:
        gate.wait(SOON)
        try:
            results[index] = calls[index]()
        except AssistantError as problem:
            results[index] = problem

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + SOON
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "the calls have locked each other out"
    return results
