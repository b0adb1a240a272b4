"""What a request is: its id, its validated body, its context, its states, and the cursor into its log."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

REQUEST_ID = r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_REQUEST_ID = re.compile(REQUEST_ID, re.ASCII)
# 18 digits stay below 2**63: a longer number can name no event.
_EVENT_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)

PROMPT_CHARS = 32_000
TRACK_ID_CHARS = 128


class Status(StrEnum):
    """Where a request is in its life; the last three are ends."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    WAITING_ACTION = "waiting_action"
    RECOVERING = "recovering"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (Status.COMPLETED, Status.CANCELLED, Status.FAILED)


class Cursor(NamedTuple):
    """The place behind one event of a log; cursors compare as pairs of numbers. START is before the first event."""

    attempt: int
    seq: int

    def __str__(self) -> str:
        return f"{self.attempt}-{self.seq}"


START = Cursor(0, 0)


def parse_cursor(text: str) -> Cursor | None:
    """The cursor that `text` names: `<attempt>-<seq>` or `0`; None when it is neither."""
    if text == "0":
        return START
    match = _EVENT_ID.fullmatch(text)
    return Cursor(int(match[1]), int(match[2])) if match else None


def new_request_id(now: int) -> str:
    """A fresh id: the UTC moment `now` (ms since 1970) for people who debug, and a UUID v4 that makes it unique."""
    return f"{_second(now // 1000)}{now % 1000:03d}Z-{uuid.uuid4()}"


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M%S}"


def is_request_id(text: str) -> bool:
    return _REQUEST_ID.fullmatch(text) is not None


class AssistantRequest(BaseModel):
    """The body of POST /assistant/request, before cleaning."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    prompt: str = Field(min_length=1, description=f"What the user asks: 1 to {PROMPT_CHARS} characters after cleaning.")
    mode: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z][a-z0-9_-]*$",
        description="generate, edit, chat or a mode of your own.",
    )
    track_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=TRACK_ID_CHARS,
        description="Your key for what the request belongs to: a conversation, a document, a track.",
    )
    context: dict[str, Any] | None = Field(
        default=None,
        description="At most 256 KiB, depth 16, 2,000 keys. The built-in modes read history, content, actions.",
    )


class Turn(BaseModel):
    """One earlier turn of a conversation."""

    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)

    role: Literal["user", "assistant"]
    content: str


class ModeContext(BaseModel):
    """The parts of `context` that the built-in modes understand; other keys are yours."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)

    history: list[Turn] = Field(default=[], max_length=1000)
    content: str = Field(default="", description="What `edit` works on.")
    actions: list[str] = Field(default=[], max_length=100, description="Names of the actions that the page can run.")


class ClaimReply(BaseModel):
    """A page takes an action before it runs it; `claim` is a random text of its own."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    status: Literal["claimed"]
    claim: str = Field(min_length=1, max_length=128)


class ResultReply(BaseModel):
    """What became of an action. `claim`, when given, must be the one that took it."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    status: Literal["ok", "error", "denied"]
    value: Any = None
    claim: str | None = Field(default=None, min_length=1, max_length=128)


ActionReply = ClaimReply | ResultReply


@dataclass(frozen=True, slots=True)
class RequestContext:
    """An accepted request as every part sees it. Moments are ms since 1970; `size` is the bytes of its body."""

    request_id: str
    user_id: str
    mode: str
    prompt: str
    created_at: int
    expires_at: int
    track_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    size: int = 0
