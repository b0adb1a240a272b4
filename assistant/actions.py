"""What the page can do for a handler: the declared kinds of action, and the state of one proposed action.

The state machine is pure, so that every registry applies the same rules under its own lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from .errors import ValueRefused
from .events import clean_value
from .models import ActionReply, ClaimReply

Wants = Literal["nothing", "result", "approval"]
Phase = Literal["proposed", "claimed", "resolved", "expired"]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """A declared action: its arguments as a pydantic model, what the handler wants back, and the type of that value."""

    name: str
    args: type[BaseModel]
    wants: Wants = "nothing"
    result: Any = None
    description: str = ""

    def check_args(self, args: Any) -> dict[str, Any]:
        """`args` as JSON data, validated; raises pydantic.ValidationError."""
        return self.args.model_validate(args).model_dump(mode="json")

    def check_value(self, value: Any) -> None:
        """Raises ValueRefused when `value` is not what the action promises."""
        if self.result is None:
            return
        try:
            TypeAdapter(self.result).validate_python(value)
        except ValidationError as problem:
            errors = problem.errors(include_url=False, include_input=False, include_context=False)
            raise ValueRefused(errors=errors) from None

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, as a model is told about this tool."""
        return self.args.model_json_schema()


class Verdict(Enum):
    """What a reply to an action did."""

    TAKEN = "taken"  # it changed the state: the runner must hear of it
    REPEATED_CLAIM = "repeated_claim"  # the same claim again: 202, nothing changes
    REPEATED = "repeated"  # the same answer again: 200, nothing changes
    CONFLICT = "conflict"  # another claim or answer came first: 409
    EXPIRED = "expired"  # too late: 410


@dataclass(slots=True)
class ActionState:
    """One proposed action. `expires_at` is in ms since 1970."""

    action_id: str
    name: str
    wants: Wants
    expires_at: int
    phase: Phase = "proposed"
    claim: str | None = None
    answer: bytes | None = None

    @property
    def pending(self) -> bool:
        return self.phase in ("proposed", "claimed") and not (self.wants == "nothing" and self.phase == "claimed")

    def apply(self, reply: ActionReply, now: int) -> Verdict:
        """Applies a reply; the state changes only when the verdict is TAKEN."""
        if isinstance(reply, ClaimReply):
            return self._claim(reply.claim, now)
        body = orjson.dumps([reply.status, clean_value(reply.value)])
        if self.answer is not None:
            return Verdict.REPEATED if self.answer == body else Verdict.CONFLICT
        if self._late(now):
            return Verdict.EXPIRED
        if not self._may_answer(reply.status, reply.claim):
            return Verdict.CONFLICT
        self.answer, self.phase = body, "resolved"
        return Verdict.TAKEN

    def _claim(self, claim: str, now: int) -> Verdict:
        if self.claim is not None:
            return Verdict.REPEATED_CLAIM if self.claim == claim else Verdict.CONFLICT
        if self.answer is not None:
            return Verdict.CONFLICT
        if self._late(now):
            return Verdict.EXPIRED
        self.claim, self.phase = claim, "claimed"
        return Verdict.TAKEN

    def _may_answer(self, status: str, claim: str | None) -> bool:
        if claim is not None and claim != self.claim:
            return False
        if self.wants == "nothing":  # ends with its claim; a page that cannot run it says so
            return self.claim is None and status == "denied"
        if self.wants == "approval":
            return True
        if status == "denied" and claim is None:  # a page without the action must not speak for one that runs it
            return self.claim is None
        return self.claim is not None

    def _late(self, now: int) -> bool:
        return self.phase == "expired" or now >= self.expires_at
