"""AssistantService: submit, stream, answer, cancel, drain: the rules in plain words, without HTTP."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from .actions import Verdict
from .catalog import Catalog
from .clock import Clock
from .config import Settings
from .errors import (
    ActionConflict,
    ActionExpired,
    Draining,
    InvalidRequest,
    NotFound,
    ServerFull,
    StoreUnavailable,
    TooManyViewers,
)
from .events import clean_value
from .models import (
    PROMPT_CHARS,
    ActionReply,
    AssistantRequest,
    Cursor,
    RequestContext,
    ResultReply,
    Status,
    new_request_id,
)
from .poll import Poll
from .protocols import Created, IdempotencyKey, RequestRegistry, Snapshot
from .runner import TaskRunner
from .sanitize import check_context, clean_prompt, invalid, refuse_unencodable
from .signals import drain_begun, emit, request_accepted
from .viewer import Viewer, Viewers

# How long a client should wait for the next process to come up, or for a place; seconds.
_RETRY_DRAINING = 2.0
RETRY_FULL = 5.0
# How long viewers stay while the store cannot be reached: what is pending is kept as long; seconds.
STORE_PATIENCE = 30.0
# Most places that one refusal names.
MOST_FINDINGS = 20
# Most requests one list answers with; the newest.
LISTED = 100


@dataclass(frozen=True, slots=True)
class Submission:
    """A POST: who, the validated body, its raw bytes, and the Idempotency-Key it came with."""

    user_id: str
    body: AssistantRequest
    raw: bytes
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked request before admission; `removed` counts the hidden characters cleaned from its prompt."""

    ctx: RequestContext
    key: IdempotencyKey | None
    removed: int


class AssistantService:
    """What a user may do with requests. Raises AssistantError children only."""

    def __init__(
        self,
        registry: RequestRegistry,
        runner: TaskRunner,
        viewers: Viewers,
        catalog: Catalog,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sender: Any = None,
        new_id: Callable[[int], str] = new_request_id,
    ) -> None:
        self.registry = registry
        self.viewers = viewers
        self.settings = settings
        self._runner = runner
        self._catalog = catalog
        self._clock = clock or Clock()
        self._sender = sender
        self._new_id = new_id
        self._drain_ends: float | None = None
        self._cut_off_since: float | None = None

    # --- one request ---
    def prepare(self, post: Submission) -> Prepared:
        """The request that a POST asks for, cleaned and checked; nothing exists yet. Raises InvalidRequest."""
        mode = self._catalog.modes.get(post.body.mode)
        if mode is None:
            raise invalid(("mode",), "one of: " + ", ".join(sorted(self._catalog.modes)), "unknown_mode")
        prompt, removed = _prompt(post.body.prompt)
        if post.body.track_id is not None:
            refuse_unencodable(post.body.track_id, "track_id")
        context = post.body.context or {}
        check_context(context)
        _check_shape(mode.context, context)
        now = self._clock.now()
        ctx = RequestContext(
            request_id=self._new_id(now),
            user_id=post.user_id,
            mode=post.body.mode,
            prompt=prompt,
            created_at=now,
            expires_at=now + round(self.settings.deadline * 1000),
            track_id=post.body.track_id,
            context=context,
            size=len(post.raw),
        )
        key = IdempotencyKey(post.key, hashlib.sha256(post.raw).digest()) if post.key else None
        return Prepared(ctx, key, removed)

    def replayed(self, prepared: Prepared) -> Created | None:
        """The request that an earlier POST with the same key made; costs nothing. Raises IdempotencyMismatch."""
        if prepared.key is None:
            return None
        earlier = self.registry.replayed(prepared.ctx.user_id, prepared.key)
        return None if earlier is None else Created(earlier, replayed=True)

    def submit(self, prepared: Prepared) -> Created:
        """Admits a request and starts it. Raises Draining, TooManyActive, ServerFull, IdempotencyMismatch."""
        if self.draining:
            raise Draining(retry_after=_RETRY_DRAINING)
        created = self.registry.create(prepared.ctx, prepared.key)
        if not created.replayed:
            try:
                emit(request_accepted, self._sender, ctx=created.ctx, removed=prepared.removed)
            finally:  # what is admitted is started, whatever becomes of the sender
                self._runner.start(created.ctx)
        return created

    def stream(self, user_id: str, request_id: str, after: Cursor, token_ends: float | None = None) -> Viewer | None:
        """A viewer of the user's request from a cursor on; None when there is nothing left to see.

        Raises NotFound, Gone, TooManyViewers, ServerFull, Draining. Takes nothing until the viewer's first block is asked for.
        """
        if self.draining and self.registry.shared:  # another worker has the same
            raise Draining(retry_after=_RETRY_DRAINING)
        ctx = self.registry.get(request_id, user_id)
        batch = self.registry.read(request_id, after)
        if batch.closed and not batch.frames:
            return None
        self._check_place(request_id)
        viewer = Viewer(self.registry, self.viewers, ctx, after, clock=self._clock, token_ends=token_ends)
        viewer.reset = batch.reset
        return viewer

    def poll(self, user_id: str, request_id: str, after: Cursor, token_ends: float | None = None) -> Poll:
        """A viewer that takes one page from a cursor on.

        Raises NotFound, Gone, TooManyViewers, ServerFull. Takes nothing until the page is asked for.
        """
        ctx = self.registry.get(request_id, user_id)
        self._check_place(request_id)
        return Poll(self.registry, self.viewers, ctx, after, clock=self._clock, token_ends=token_ends)

    def _check_place(self, request_id: str) -> None:
        """Whether there is room for one more viewer. Raises TooManyViewers, ServerFull."""
        if self.registry.snapshot(request_id).viewers >= self.settings.max_viewers:
            raise TooManyViewers(retry_after=RETRY_FULL)
        if self.viewers.full:
            raise ServerFull(retry_after=RETRY_FULL)

    def record(self, user_id: str, request_id: str) -> dict[str, Any]:
        """The user's request as it stands. Raises NotFound, Gone."""
        self.registry.get(request_id, user_id)
        snapshot = self.registry.snapshot(request_id)  # first: an end that it tells has a result
        result = self.registry.result(request_id) if snapshot.status.ended else None
        return {**_record(snapshot), "usage": _usage(snapshot, result), "result": result}

    def records(self, user_id: str, track_id: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """The user's requests, newest first, without their results; `state` is `active` or `ended`."""
        found = (
            snapshot
            for snapshot in self.registry.requests_of(user_id)
            if (track_id is None or snapshot.ctx.track_id == track_id)
            and (state is None or snapshot.status.ended == (state == "ended"))
        )
        return [_record(snapshot) for snapshot, _ in zip(found, range(LISTED), strict=False)]

    def cancel(self, user_id: str, request_id: str) -> dict[str, Any] | None:
        """Stops the user's request; its record when it had ended already. Raises NotFound, Gone."""
        self.registry.get(request_id, user_id)
        if self.registry.stop(request_id, "cancelled"):
            return None
        return self.record(user_id, request_id)

    def answer(self, user_id: str, request_id: str, action_id: str, reply: ActionReply) -> bool:
        """Applies a page's reply to an action; True when the same answer was there already.

        Raises NotFound, Gone, ValueRefused, ActionConflict, ActionExpired.
        """
        self.registry.get(request_id, user_id)
        if isinstance(reply, ResultReply):
            _check_encodable(reply.value)
        if isinstance(reply, ResultReply) and reply.status == "ok":
            self._check_value(request_id, action_id, reply)
        verdict = self.registry.answer(request_id, action_id, reply)
        if verdict is Verdict.CONFLICT:
            raise ActionConflict
        if verdict is Verdict.EXPIRED:
            raise ActionExpired("The action is no longer waiting for an answer.")
        return verdict is Verdict.REPEATED

    def _check_value(self, request_id: str, action_id: str, reply: ResultReply) -> None:
        pending = self.registry.snapshot(request_id).pending_actions
        name = next((data["name"] for data in pending if data["action_id"] == action_id), None)
        if name in self._catalog.actions:
            self._catalog.actions[name].check_value(reply.value)

    # --- the process ---
    @property
    def draining(self) -> bool:
        return self._drain_ends is not None

    def ready(self) -> None:
        """Raises Draining, ServerFull or StoreUnavailable when no POST should come here now."""
        if self.draining:
            raise Draining(retry_after=_RETRY_DRAINING)
        if self.registry.active() >= self.settings.max_active:
            raise ServerFull(retry_after=RETRY_FULL)
        self.registry.ping()

    def drain(self, within: float = math.inf) -> None:
        """From now on nothing new is accepted; what runs may end until the drain timeout, or `within` seconds when that
        is less. Safe to repeat."""
        if self._drain_ends is None:
            self._drain_ends = self._clock.monotonic() + min(self.settings.drain_timeout, within)
            emit(drain_begun, self._sender, running=len(self._runner))
        self.drain_step()

    def drain_step(self) -> None:
        """While draining: ends what nobody watches, or sends those who watch elsewhere, and ends everything once the time
        is up. The janitor calls it."""
        if self._drain_ends is None:
            return
        if self._clock.monotonic() >= self._drain_ends:
            self.stop_all("draining")
            return
        if self.registry.shared:
            for viewer in self.viewers:
                viewer.close_with("draining")
            return
        for request_id in self._runner.running():
            with suppress(NotFound):
                if not self.registry.snapshot(request_id).viewers:
                    self.registry.stop(request_id, "draining")

    def stop_all(self, reason: str) -> None:
        """Stops every request that runs here; `reason` is the code of the error they end in."""
        for request_id in self._runner.running():
            with suppress(NotFound):
                self.registry.stop(request_id, reason)

    def send_away(self) -> None:
        """Ends the streams of a store that has been out of reach for too long: their clients come again, and hear so. The
        janitor calls it."""
        try:
            self.registry.ping()
        except StoreUnavailable:
            now = self._clock.monotonic()
            self._cut_off_since = self._cut_off_since or now
            if now - self._cut_off_since >= STORE_PATIENCE:
                for viewer in self.viewers:
                    viewer.close_with("closing", StoreUnavailable.code)
        else:
            self._cut_off_since = None

    def runs(self, request_id: str) -> bool:
        """Whether the request still has something to do in this process, its receivers' last work included."""
        return self._runner.runs(request_id)

    @property
    def idle(self) -> bool:
        """Whether nothing runs in this process any more."""
        return not len(self._runner)


def _prompt(text: str) -> tuple[str, int]:
    prompt, removed = clean_prompt(text)
    if not prompt.strip():
        raise invalid(("prompt",), "nothing to read", "too_short")
    if len(prompt) > PROMPT_CHARS:
        raise invalid(("prompt",), f"at most {PROMPT_CHARS} characters", "too_long")
    return prompt, removed


def _check_encodable(value: Any) -> None:
    """Raises InvalidRequest for a value that an event cannot carry."""
    try:
        clean_value(value)
    except ValueError:
        raise invalid(("value",), "nested too deep", "too_deep") from None


def _check_shape(model: Any, context: dict[str, Any]) -> None:
    """Raises InvalidRequest when a mode has declared its context and this is not it."""
    if model is None:
        return
    try:
        model.model_validate(context)
    except ValidationError as problem:
        findings = problem.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidRequest(
            errors=[
                {"loc": ["context", *one["loc"]], "msg": one["msg"], "type": one["type"]}
                for one in findings[:MOST_FINDINGS]
            ]
        ) from None


def _usage(snapshot: Snapshot, result: dict[str, Any] | None) -> dict[str, Any]:
    """What a request has used so far. The tokens are told with a whole answer; None before and for a failure."""
    tokens = (result or {}).get("usage") or {}
    return {
        "duration": snapshot.duration,
        "events": snapshot.events,
        "bytes": snapshot.bytes,
        "viewers": snapshot.views,
        "input_tokens": tokens.get("input_tokens"),
        "output_tokens": tokens.get("output_tokens"),
    }


def _record(snapshot: Snapshot) -> dict[str, Any]:
    ctx = snapshot.ctx
    return {
        "request_id": ctx.request_id,
        "status": Status(snapshot.status).value,
        "mode": ctx.mode,
        "track_id": ctx.track_id,
        "prompt": ctx.prompt,
        "created_at": ctx.created_at,
        "expires_at": ctx.expires_at,
        "last_event_id": str(snapshot.last_event),
        "viewers": snapshot.viewers,
        "pending_actions": snapshot.pending_actions,
    }
