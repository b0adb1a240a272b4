"""A clock that stands still and a model that says what it is told to."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence

from ..actions import ActionSpec
from ..clock import Clock
from ..protocols import Delta, Finish, Message, Text


class FakeClock(Clock):
    """A clock that stands still until it is told to move; it begins at 2026-01-01T00:00:00Z."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> int:
        return 1_767_225_600_000 + round(self._seconds * 1000)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds


class ScriptedProvider:
    """A model that says what it is told to: deltas, exceptions to raise, or numbers of seconds to pause.

    `scripts` are used one per call, the last one again and again; `calls` holds the messages of each call, and `closed`
    counts the streams that were closed before their end.
    """

    def __init__(self, *scripts: Iterable[Delta | str | float | BaseException]) -> None:
        self._scripts = [list(script) for script in scripts] or [["Hello."]]
        self.calls: list[list[Message]] = []
        self.tools: list[list[str]] = []
        self.closed = 0

    def stream(
        self, messages: Sequence[Message], *, model: str, max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        script = self._scripts[min(len(self.calls), len(self._scripts) - 1)]
        self.calls.append(list(messages))
        self.tools.append([tool.name for tool in tools])
        return self._play(script, model)

    def _play(self, script: Iterable[Delta | str | float | BaseException], model: str) -> Generator[Delta, None, None]:
        finished = False
        try:
            for step in script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, (int, float)):
                    time.sleep(step)
                elif isinstance(step, str):
                    yield Text(step)
                else:
                    finished = finished or isinstance(step, Finish)
                    yield step
            if not finished:
                yield Finish("stop", model or "scripted", {"input_tokens": 1, "output_tokens": 1})
            finished = True
        finally:
            self.closed += not finished
