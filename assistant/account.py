"""Account: what a request has done and used so far, and the terminal events that say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .clock import Clock
from .errors import CODES, AssistantError, Internal
from .events import Event, clean_text, failure
from .protocols import Snapshot
from .run import Run
from .transcript import Transcript

# Longest name that a provider may give its model or its reason to end; characters.
_NAME = 200


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request used. Durations in seconds; `first_chunk` is None when there was none.

    `viewers` is how many came in all, `kinds` how many events of each name there were, `chunk_interval` the mean time
    between two chunks, and `stopping` the time from a stop to the end of the handler and of its connection to a model.
    """

    duration: float
    first_chunk: float | None
    events: int
    chunks: int
    bytes: int
    input_tokens: int
    output_tokens: int
    viewers: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    chunk_interval: float | None = None
    stopping: float | None = None


class Account:
    """Of one request, from its task's begin on. Monotonic moments are in seconds."""

    __slots__ = ("_actions", "_answered_at", "_cleaning_at", "_clock", "_closed_at", "_end", "_run", "_stages", "_started",
                 "_statuses", "_stopped_at", "_transcript", "first_chunk", "latest_at")  # fmt: skip

    def __init__(self, run: Run, transcript: Transcript, clock: Clock) -> None:
        self._run = run
        self._transcript = transcript
        self._clock = clock
        self._started = clock.monotonic()
        self._answered_at = 0  # when the first and the latest chunk were out; ms since 1970
        self._stopped_at: float | None = None
        self._cleaning_at: float | None = None
        self._closed_at: float | None = None
        self.latest_at = 0
        self.first_chunk: float | None = None  # seconds after the begin
        # events by name, without chunks: numbers, for a dict would be as large as all of this; the registry appends `1-1`
        self._statuses = 1 if run.request.attempt == 1 else 0
        self._stages = self._actions = 0
        self._end = ""

    # --- what happens ---
    def answer_begun(self) -> float:
        """The first chunk is out; how long that took, in seconds."""
        self._answered_at = self.latest_at
        self.first_chunk = self._elapsed()
        return self.first_chunk

    def logged(self, name: str) -> None:
        """An event with this name, which is no chunk, is in the log."""
        if name == "status":
            self._statuses += 1
        elif name == "stage":
            self._stages += 1
        elif name == "action":
            self._actions += 1
        else:
            self._end = name

    def stop_begun(self) -> None:
        self._stopped_at = self._clock.monotonic()

    def cleaning_begun(self) -> None:
        """The handler's clean-up runs."""
        self._cleaning_at = self._clock.monotonic()

    def cleaned(self) -> None:
        self._closed_at = self._clock.monotonic()

    # --- what is said of it ---
    @property
    def ending_since(self) -> float | None:
        """When the stop began, or the clean-up where there was none; monotonic."""
        return self._cleaning_at if self._stopped_at is None else self._stopped_at

    def complete(self, outcome: str) -> Event:
        run, transcript = self._run, self._transcript
        return Event(
            "complete",
            {
                "outcome": outcome,
                **transcript.partial,
                "actions": transcript.actions,
                "finish_reason": _name(run.finish_reason) if outcome == "completed" else outcome,
                "model": _name(run.model),
                "usage": {"input_tokens": run.input_tokens, "output_tokens": run.output_tokens},
                "timings": {"first_chunk": self.first_chunk, "total": self._elapsed()},
                "ts": self._clock.now(),
            },
        )

    def failed(self, problem: AssistantError) -> Event:
        return failure(problem, self._clock.now(), self._transcript.partial)

    def stopped(self, reason: str) -> Event:
        """A user's cancel, and only that, is a `complete`; every other reason is the code of an error."""
        if reason == "cancelled":
            return self.complete("cancelled")
        return self.failed(CODES.get(reason, Internal)())

    def usage(self, kept: Snapshot | None) -> Usage:
        """`kept` is what the registry knows of the request, if it can be asked."""
        chunks = self._transcript.chunks
        kinds = self._kinds()
        return Usage(
            duration=self._elapsed(),
            first_chunk=self.first_chunk,
            events=sum(kinds.values()),
            chunks=chunks,
            bytes=kept.bytes if kept else 0,
            input_tokens=self._run.input_tokens,
            output_tokens=self._run.output_tokens,
            viewers=kept.views if kept else 0,
            kinds=kinds,
            # by the wall clock, which each chunk's `ts` has asked already: it may be set back
            chunk_interval=max(0, self.latest_at - self._answered_at) / 1000 / (chunks - 1) if chunks > 1 else None,
            stopping=self._stopping(),
        )

    def _kinds(self) -> dict[str, int]:
        counts = {
            "status": self._statuses,
            "stage": self._stages,
            "action": self._actions,
            "response_chunk": self._transcript.chunks,
            self._end: 1,
        }
        return {name: count for name, count in counts.items() if name and count}

    def _stopping(self) -> float | None:
        if self._stopped_at is None:
            return None
        closed = self._closed_at if self._closed_at is not None else self._clock.monotonic()
        return round(max(0.0, closed - self._stopped_at), 6)

    def _elapsed(self) -> float:
        return round(self._clock.monotonic() - self._started, 6)


def _name(value: object) -> str:
    """A name that a provider gave, as a log can hold it."""
    return clean_text(str(value or ""))[:_NAME]
