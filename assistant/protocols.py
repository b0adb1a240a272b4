"""The sockets: what a registry, a model provider and a running handler look like to the other parts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from .actions import ActionSpec, Verdict
from .config import Settings
from .events import Event
from .models import ActionReply, Cursor, RequestContext, Status

Wake = Callable[[], None]


# --- registry ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A user's Idempotency-Key and a digest of the body bytes it came with."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """The request that a POST stands for; `replayed` when an earlier POST with the same key made it."""

    ctx: RequestContext
    replayed: bool = False


class Batch(NamedTuple):
    """What a log holds after a cursor: ready frames, the cursor behind them, whether the log has ended, and whether
    the given cursor names no event of the log (then the frames begin at the start)."""

    frames: list[bytes]
    cursor: Cursor
    closed: bool
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A request at one moment. `bytes` is what its body and its log hold, `views` how many viewers have come in all, and
    `duration` the seconds from its creation to its end, or to now."""

    ctx: RequestContext
    status: Status
    last_event: Cursor
    viewers: int
    events: int
    bytes: int
    pending_actions: list[dict[str, Any]] = field(default_factory=list)
    views: int = 0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class Overdue:
    """A running request that is past one of its clocks; `code` names the error it ends in."""

    request_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A request whose log was dropped: `expired` after its retention, `evicted` to make room."""

    request_id: str
    reason: Literal["expired", "evicted"]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A request whose worker was lost, now this process's own as its next attempt; `quiet` when nothing but `status` and
    `stage` was sent of it."""

    ctx: RequestContext
    quiet: bool


class Inbox(Protocol):
    """Where the owner of a request hears what others want of it. Both return at once."""

    def stop(self, reason: str) -> None: ...

    def answer(self, action_id: str, reply: ActionReply) -> None: ...


@runtime_checkable
class RequestRegistry(Protocol):
    """The requests of this deployment and their logs. No method waits for another request's progress.

    `shared` says whether other processes see the same requests, so that viewers may go on there."""

    shared: bool

    def create(self, ctx: RequestContext, key: IdempotencyKey | None = None) -> Created:
        """Admits and stores a request and appends `1-1`, in one atomic step. Raises TooManyActive, ServerFull,
        IdempotencyMismatch."""

    def replayed(self, user_id: str, key: IdempotencyKey) -> RequestContext | None:
        """The request that this key stands for, if any. Raises IdempotencyMismatch."""

    def get(self, request_id: str, user_id: str) -> RequestContext:
        """The user's request. Raises NotFound (unknown or someone else's) or Gone (theirs, but expired)."""

    def snapshot(self, request_id: str) -> Snapshot:
        """The request at this moment. Raises NotFound."""

    def result(self, request_id: str) -> dict[str, Any] | None:
        """The terminal event's data once the request has ended. Raises NotFound."""

    def requests_of(self, user_id: str) -> list[Snapshot]:
        """All requests of a user that are still kept, newest first."""

    def active(self, user_id: str | None = None) -> int:
        """How many requests run, of one user anywhere or of all in this process."""

    def own(self, request_id: str, inbox: Inbox) -> None:
        """Makes `inbox` the place where stop and answer for this request arrive. Raises NotFound."""

    def append(self, request_id: str, attempt: int, event: Event) -> Cursor:
        """Numbers, encodes and stores an event, then wakes viewers. Raises NotFound, RequestClosed, Fenced,
        BudgetExceeded."""

    def finish(self, request_id: str, attempt: int, terminal: Event) -> Cursor:
        """Appends the terminal event and closes the log in one atomic step. Raises NotFound, RequestClosed, Fenced."""

    def read(self, request_id: str, after: Cursor) -> Batch:
        """What the log holds after a cursor; never waits. Raises NotFound."""

    def watch(self, request_id: str, wake: Wake) -> AbstractContextManager[None]:
        """While entered, counts a viewer and calls `wake` after each append. Raises NotFound, TooManyViewers."""

    def stop(self, request_id: str, reason: str) -> bool:
        """Asks the owner to stop; the first reason counts. False when the request has ended. Raises NotFound."""

    def answer(self, request_id: str, action_id: str, reply: ActionReply) -> Verdict:
        """Applies a reply to an action and, when it changed something, tells the owner. Raises NotFound."""

    def expire_action(self, request_id: str, action_id: str) -> bool:
        """Closes an action to replies; False when an answer came first. Raises NotFound."""

    def overdue(self) -> Sequence[Overdue]:
        """The running requests that are past one of their clocks."""

    def sweep(self) -> Sequence[Removed]:
        """Drops what has outlived its retention, and says what."""

    def reap(self) -> Sequence[Orphan]:
        """Takes over requests whose worker was lost; each must then be started again or ended here."""

    def ping(self) -> None:
        """Raises StoreUnavailable when the store cannot be reached."""

    def close(self) -> None:
        """Frees what the registry holds."""


# --- model providers --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the model's answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants an action run. `args` is JSON data as the model wrote it, not yet validated."""

    call_id: str
    name: str
    args: Any


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the answer; it becomes an appendix after the text."""

    title: str
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is complete. `usage` holds input_tokens and output_tokens where the server told them."""

    reason: str
    model: str
    usage: Mapping[str, int] | None = None


Delta = Text | Reasoning | ToolCall | Citation | Finish


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a model. `calls` are those of an assistant turn; a `tool` message answers `call_id`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


class LLMProvider(Protocol):
    """A model behind a stream. Closing the generator closes the upstream connection.

    A stream that ends without a Finish was cut; failures are raised as the `Provider...` errors of errors.py.
    """

    def stream(
        self, messages: Sequence[Message], *, model: str, max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]: ...


# --- handlers ---------------------------------------------------------------------------------------------------
class Writer(Protocol):
    """Turns the model's text into chunks."""

    def feed(self, text: str) -> Iterable[Event]: ...

    def flush(self) -> Iterable[Event]: ...


class HandlerRun(Protocol):
    """What a handler gets: the request, the model, and helpers that turn deltas into events."""

    @property
    def request(self) -> RequestContext: ...

    @property
    def user_id(self) -> str: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def llm(self) -> LLMProvider: ...

    def messages(self) -> list[Message]:
        """System text, earlier turns and the prompt, ready for the model."""

    def reply(
        self, messages: Sequence[Message], *, writer: Writer | None = None, model: str | None = None
    ) -> Generator[Event, Any, str]:
        """Streams the model's answer as events, runs its tool calls as actions; returns the answer's text."""
