"""For integrators' tests: a scripted clock and model, handlers without a server, apps without a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from flask import Flask

from . import sse
from .actions import ActionSpec
from .app import create_app
from .catalog import Catalog, Handler
from .clock import Clock
from .config import Settings
from .events import Ask, Event
from .extension import Assistant
from .models import RequestContext, new_request_id
from .protocols import Delta, Finish, LLMProvider, Message, Text
from .run import Run

# Long enough for HS256, and known to every test.
SECRET = "a-secret-for-tests-that-is-long-enough"


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


def run_handler(
    handler: Handler,
    *,
    prompt: str = "Hello",
    mode: str = "test",
    context: Mapping[str, Any] | None = None,
    user_id: str = "tester",
    llm: LLMProvider | None = None,
    replies: Mapping[str, Any] | None = None,
    catalog: Catalog | None = None,
    settings: Settings | None = None,
) -> list[Event]:
    """The events that a handler yields, without a server.

    `replies` answers its `ask` by the action's name: a value, an exception to raise there, or a function of the
    arguments. Raises what the handler raises, and KeyError for an `ask` without a reply.
    """
    now = Clock().now()
    request = RequestContext(new_request_id(now), user_id, mode, prompt, now, now + 1_800_000, context=context or {})
    run = Run(request, settings=settings or Settings(), catalog=catalog or Catalog(), llm=llm or ScriptedProvider())
    generator = handler(run)
    events: list[Event] = []
    resume: Callable[[], Event] = generator.__next__
    while True:
        try:
            event = resume()
        except StopIteration:
            return events
        events.append(event)
        resume = _replied(generator, event, replies or {}) if isinstance(event, Ask) else generator.__next__


def _replied(generator: Generator[Event, Any, None], question: Ask, replies: Mapping[str, Any]) -> Callable[[], Event]:
    reply = replies[question.data["name"]]
    if callable(reply) and not isinstance(reply, type):
        reply = reply(question.data["args"])
    if isinstance(reply, BaseException):
        return lambda: generator.throw(reply)
    return lambda: generator.send(reply)


def parse_sse(blocks: Iterable[bytes] | bytes) -> list[sse.Message]:
    """The messages of a stream's body."""
    return list(sse.decode([blocks] if isinstance(blocks, bytes) else blocks))


def make_app(assistant: Assistant | None = None, **config: Any) -> Flask:
    """A stand-alone app for tests: a fixed secret, guests on, an unhurried demo replaced by `assistant.provider`."""
    return create_app(
        {"JWT_SECRET_KEY": SECRET, "ASSISTANT_GUESTS": True, "TESTING": True, **config}, assistant=assistant
    )
