"""Record: a request as Redis keeps it, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from ...actions import ActionState
from ...models import Cursor, RequestContext, Status
from ...protocols import Snapshot

_IN_CTX = ("request_id", "user_id", "mode", "prompt", "created_at", "expires_at", "track_id")


def dump_ctx(ctx: RequestContext) -> tuple[bytes, bytes]:
    """The context of a request without and with what the client sent as `context`, which may be large."""
    return orjson.dumps({name: getattr(ctx, name) for name in _IN_CTX}), orjson.dumps(dict(ctx.context))


def load_ctx(facts: bytes, context: bytes | None, attempt: bytes | int, size: bytes) -> RequestContext:
    known = orjson.loads(facts)
    given = orjson.loads(context) if context else {}
    return RequestContext(**known, context=given, attempt=int(attempt), size=int(size))


@dataclass(frozen=True, slots=True)
class Action:
    """One proposed action: its state, and the event that proposed it."""

    state: ActionState
    proposal: dict[str, Any]

    @classmethod
    def proposed(cls, data: dict[str, Any]) -> Action:
        return cls(ActionState(data["action_id"], data["name"], data["wants"], data["expires_at"]), data)

    @classmethod
    def load(cls, text: bytes, *, ended: bool) -> Action:
        """The action; with the end of its request it expires, unless it wants nothing."""
        known = orjson.loads(text)
        answer = known["state"].pop("answer")
        state = ActionState(**known["state"], answer=answer.encode() if answer is not None else None)
        if ended and state.pending and state.wants != "nothing":
            state.phase = "expired"
        return cls(state, known["proposal"])

    def dump(self) -> bytes:
        state = self.state
        facts = {
            "action_id": state.action_id,
            "name": state.name,
            "wants": state.wants,
            "expires_at": state.expires_at,
            "phase": state.phase,
            "claim": state.claim,
            "answer": state.answer.decode() if state.answer is not None else None,
        }
        return orjson.dumps({"state": facts, "proposal": self.proposal})


@dataclass(frozen=True, slots=True)
class Record:
    """One look at a request. `viewers` are those of other processes; `age` and `left` (None: nobody has left yet) are
    seconds ago,
    `duration` the seconds from its creation to its end, or to now."""

    ctx: RequestContext
    last: int
    events: int
    bytes: int
    state: Status
    ended: bool
    stop: str | None
    loud: bool
    owner: str
    views: int
    viewers: int
    actions: list[Action]
    age: float
    duration: float
    left: float | None

    @classmethod
    def of(cls, answer: list[Any]) -> Record:
        """Reads what look.lua says."""
        meta, viewers, actions, age, left = answer
        facts, context, size, attempt, last, events, held, state, ended, stop, loud, owner, born, views, _ = meta
        return cls(
            ctx=load_ctx(facts, context, attempt, size),
            last=int(last),
            events=int(events),
            bytes=int(held),
            state=Status(state.decode()),
            ended=ended is not None,
            stop=stop.decode() if stop else None,
            loud=bool(loud),
            owner=owner.decode(),
            views=int(views or 0),
            viewers=viewers,
            actions=[Action.load(text, ended=ended is not None) for text in actions],
            age=max(0, age) / 1000,
            duration=max(0, int(ended) - int(born) if ended else age) / 1000,
            left=left / 1000 if left >= 0 else None,
        )

    @property
    def pending_actions(self) -> list[dict[str, Any]]:
        pending = [one for one in self.actions if one.state.pending]
        return [{**one.proposal, "phase": one.state.phase} for one in sorted(pending, key=_moment)]

    def snapshot(self, viewers: int, *, brief: bool = False) -> Snapshot:
        """`viewers` are those of this process. `brief` leaves out the client's context."""
        cancelling = self.stop == "cancelled" and not self.ended
        return Snapshot(
            ctx=replace(self.ctx, context={}) if brief else self.ctx,
            status=Status.CANCELLING if cancelling else self.state,
            last_event=Cursor(self.ctx.attempt, self.last),
            viewers=self.viewers + viewers,
            events=self.events,
            bytes=self.ctx.size + self.bytes,
            pending_actions=self.pending_actions,
            views=self.views,
            duration=self.duration,
        )


def _moment(action: Action) -> tuple[int, str]:
    return action.proposal.get("ts", 0), action.state.action_id
