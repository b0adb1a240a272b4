"""Admission: who gets in. Counting, reserving a key and storing are one script, so that of many at once, in whichever
processes, exactly as many get in as there are places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import sse
from ...clock import Clock
from ...config import Settings
from ...errors import AssistantError, IdempotencyMismatch, ServerFull, StoreUnavailable, TooManyActive
from ...events import status
from ...models import RequestContext, Status
from ...protocols import IdempotencyKey
from . import held as holding
from .process import Process
from .record import dump_ctx

# How long a client should wait before it tries again; seconds. A place is free as soon as one answer ends.
_RETRY_ACTIVE = 2.0
_RETRY_FULL = 5.0
# How long a place outlives the deadline of its request, should nobody free it; seconds.
_SLACK = 60.0


class Admission:
    """Asks Redis for places, and takes what was admitted into this process."""

    def __init__(self, process: Process, settings: Settings, clock: Clock, moment: Callable[[], Any]) -> None:
        self._process = process
        self._settings = settings
        self._clock = clock
        self._moment = moment
        self._life = round((settings.deadline + _SLACK) * 1000)
        self._kept = self._life + round((settings.retention + settings.tombstone) * 1000)

    def admit(self, ctx: RequestContext, key: IdempotencyKey | None) -> str | None:
        """Admits and stores a request with its first event, here its owner; the id of an earlier one when the key stands
        for that. Raises TooManyActive, ServerFull, IdempotencyMismatch, StoreUnavailable."""
        accepted = status(Status.ACCEPTED)
        first = sse.numbered(accepted.name, sse.dumps({**accepted.data, "ts": ctx.created_at}), ctx.attempt, 1)
        process = self._process
        process.arriving.add(ctx.request_id)
        try:
            answer = self._ask(ctx, first, key or IdempotencyKey("", b""))
            word, *rest = (part.decode() for part in answer)
            if word == "created":
                process.hold(holding.new(ctx, first, self._clock.monotonic()))
                return None
        except StoreUnavailable:
            process.chore("discard", ctx.request_id, process.name)  # it may be there all the same
            raise
        finally:
            process.arriving.discard(ctx.request_id)
        if word == "replayed":
            earlier: str = rest[0]
            return earlier
        raise self._refusal(word, ctx)

    def replayed(self, user_id: str, key: IdempotencyKey) -> str | None:
        """The id of the request that a key stands for. Raises IdempotencyMismatch, StoreUnavailable."""
        answer = self._process.scripts.run("replayed", user_id, key.key, key.digest)
        if not answer:
            return None
        if answer[0] == b"mismatch":
            raise IdempotencyMismatch
        earlier: str = answer[1].decode()
        return earlier

    def _ask(self, ctx: RequestContext, first: bytes, key: IdempotencyKey) -> Any:
        limits, process = self._settings, self._process
        return process.scripts.run(
            "create", ctx.request_id, ctx.user_id, process.name, self._moment(), *dump_ctx(ctx), ctx.size, first, key.key,
            key.digest, limits.max_active_per_user, limits.max_active, limits.max_active_total, self._life, self._kept,
            process.lease_ms,
        )  # fmt: skip

    def _refusal(self, word: str, ctx: RequestContext) -> AssistantError:
        if word == "mismatch":
            return IdempotencyMismatch()
        if word == "user":
            most = self._settings.max_active_per_user
            return TooManyActive(retry_after=_RETRY_ACTIVE, scope="active", mode=ctx.mode, limit=most)
        return ServerFull(retry_after=_RETRY_FULL)
