"""Every event a client can see, and its constructor.

A constructor checks its arguments and makes the payload encodable (U+FFFD for lone surrogates, finite numbers,
64-bit integers), so that nothing after it can fail. The runner adds `ts` and `index`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import AssistantError

Part = Literal["text", "reasoning", "appendix"]
StageState = Literal["started", "finished", "failed", "skipped"]

NAMES = ("stage", "status", "response_chunk", "action", "complete", "error")
TERMINAL = frozenset({"complete", "error"})
# What a `status` can say; the ends of a request are events of their own.
STATES = frozenset({"accepted", "running", "waiting_action", "recovering", "cancelling"})

# Deepest nesting of a payload: the same as of a context (protocol: depth 16), with room for the envelope.
_MAX_DEPTH = 20
_INT64 = 2**63
# Longest message of a failure that goes into the log; characters.
_MESSAGE = 1_000


@dataclass(slots=True)
class Event:
    """One event: `name` is one of the six of the protocol, `data` its payload, a dict that always encodes.

    Nobody changes one; to have that enforced would double what making it costs, twice for each chunk.
    """

    name: str
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        return self.name in TERMINAL


@dataclass(slots=True)
class Ask(Event):
    """An action whose answer the handler waits for: `value = yield ask(...)`."""

    name: str = field(default="action", init=False)


def clean_text(text: str) -> str:
    """`text` with lone surrogates replaced by U+FFFD, so that it encodes as UTF-8."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean_value(value: Any, depth: int = 0) -> Any:
    """`value` as JSON can carry it; raises TypeError for what has no JSON form, ValueError for what is too deep."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"an event payload is nested deeper than {_MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(str(value))
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < 2 * _INT64 else clean_text(str(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_value(item, depth + 1) for item in value]
    raise TypeError(f"an event payload cannot hold a {type(value).__name__}")


def _given(**values: Any) -> dict[str, Any]:
    return {name: clean_value(value) for name, value in values.items() if value is not None}


def stage(
    name: str,
    label: str = "",
    *,
    state: StageState = "started",
    index: int | None = None,
    total: int | None = None,
    progress: float | None = None,
    detail: str | None = None,
) -> Event:
    """A step of the work, for people to see; `progress` is 0..1."""
    if state not in get_args(StageState):
        raise ValueError(f"{state!r} is not a state of a stage: started, finished, failed or skipped")
    if progress is not None and not 0 <= progress <= 1:
        raise ValueError("progress is a number from 0 to 1")
    return Event(
        "stage",
        _given(
            stage=name, label=label or name, state=state, index=index, total=total, progress=progress, detail=detail
        ),
    )


def status(state: str, reason: str | None = None) -> Event:
    """A change of the request's state; handlers may send `running` with a reason as a sign of life."""
    if state not in STATES:
        raise ValueError(f"{str(state)!r} is not a state of a running request: {', '.join(sorted(STATES))}")
    return Event("status", _given(state=state, reason=reason))


def chunk(
    text: str,
    part: Part = "text",
    *,
    kind: str | None = None,
    title: str | None = None,
    language: str | None = None,
    url: str | None = None,
) -> Event:
    """A piece of the answer. `kind` begins a new appendix part: code, table, file, citation or a name of your own."""
    if not isinstance(text, str):
        raise TypeError("the text of a chunk is a str")
    if part == "text":  # the hot path: no copies, no loops
        return Event("response_chunk", {"text": text if text.isascii() else clean_text(text), "part": "text"})
    if part not in ("reasoning", "appendix"):
        raise ValueError(f"{part!r} is not a part: text, reasoning or appendix")
    return Event("response_chunk", _given(text=text, part=part, kind=kind, title=title, language=language, url=url))


def action(name: str, args: Mapping[str, Any] | None = None) -> Event:
    """Something for the page to do, whose answer nobody waits for."""
    return Event("action", {"name": clean_text(name), "args": clean_value(args or {})})


def ask(name: str, args: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Ask:
    """Something for the page to do; `yield ask(...)` gives its value, or raises ActionDenied, ActionFailed or
    ActionExpired. `timeout` is in seconds; the setting ASSISTANT_ACTION_TIMEOUT without one."""
    return Ask({"name": clean_text(name), "args": clean_value(args or {}), "timeout": timeout})


def failure(problem: AssistantError, now: int, partial: dict[str, Any] | None = None) -> Event:
    """The terminal event of a request that failed; `partial` is what it had said by then."""
    return Event(
        "error",
        {
            "code": problem.code,
            "message": clean_text(problem.detail)[:_MESSAGE],
            "retryable": problem.retryable,
            "retry_after": problem.retry_after,
            "partial": partial or {"text": "", "parts": []},
            "trace_id": None,
            "ts": now,
        },
    )
