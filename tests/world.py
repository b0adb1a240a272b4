"""A whole server without HTTP: every part real, the clock and the ids scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Any

import gevent

from assistant import handlers, sse
from assistant.catalog import Catalog, Mode
from assistant.config import Settings
from assistant.janitor import Janitor
from assistant.models import START, AssistantRequest, Cursor, RequestContext
from assistant.protocols import LLMProvider, RequestRegistry
from assistant.registry.memory import MemoryRegistry
from assistant.runner import TaskRunner
from assistant.service import AssistantService, Submission
from assistant.testing import FakeClock, ScriptedProvider
from assistant.turn import PAUSE
from assistant.viewer import Viewers

# Longest that any test waits for something that should happen at once; seconds.
SOON = 5.0


class World:
    """Settings by keyword; `llm` is the model. Ids count up: request 1, 2, ... and action `act-1`, `act-2`, ..."""

    def __init__(
        self,
        *,
        llm: LLMProvider | None = None,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        sender: Any = None,
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.settings = Settings(**settings)
        self.catalog = Catalog()
        handlers.register(self.catalog)
        self.registry: RequestRegistry = MemoryRegistry(self.settings, self.clock)
        self.viewers = Viewers(self.settings.max_streams)
        self.sender = sender
        requests, actions = count(1), count(1)
        self.runner = TaskRunner(
            self.registry,
            self.catalog,
            llm or ScriptedProvider(),
            self.settings,
            clock=self.clock,
            sender=sender,
            context=context,
            new_id=lambda: f"act-{next(actions)}",
        )
        self.service = AssistantService(
            self.registry,
            self.runner,
            self.viewers,
            self.catalog,
            self.settings,
            clock=self.clock,
            sender=sender,
            new_id=lambda now: f"20260101T000000000Z-00000000-0000-4000-8000-{next(requests):012d}",
        )
        self.janitor = Janitor(
            self.registry,
            self.viewers,
            self.settings,
            runs=self.runner.runs,
            overrun=self.runner.overrun,
            abandon=self.runner.abandon,
            recover=self.runner.recover,
            extra=(self.service.drain_step, self.service.send_away),
            clock=self.clock,
            sender=sender,
        )

    def handler(self, function: Callable[..., Any], mode: str = "test", **options: Any) -> None:
        self.catalog.add_mode(Mode(mode, function, **options))

    def submit(self, prompt: str = "Hello", mode: str = "test", user: str = "ann", **body: Any) -> RequestContext:
        """A request that is admitted and started; nothing of it has run yet."""
        request = AssistantRequest(prompt=prompt, mode=mode, **body)
        return self.service.submit(
            self.service.prepare(Submission(user, request, request.model_dump_json().encode()))
        ).ctx

    def settle(self) -> None:
        """Lets everything run that can run without time passing, also a handler whose turn was over (turn.py)."""
        for _ in range(5):
            gevent.sleep(2 * PAUSE)
            for _ in range(5):
                gevent.sleep(0)

    def finished(self, within: float = SOON) -> None:
        """Waits until nothing runs any more."""
        with gevent.Timeout(within):
            while len(self.runner):
                gevent.sleep(0)

    def pass_time(self, seconds: float) -> None:
        """Moves the clock and lets the janitor make a round."""
        self.clock.advance(seconds)
        self.janitor.round()
        self.settle()

    def log(self, ctx: RequestContext, after: Cursor = START) -> list[sse.Message]:
        """The events of a request behind a cursor."""
        return list(sse.decode(self.registry.read(ctx.request_id, after).frames))

    def names(self, ctx: RequestContext) -> list[str]:
        """The log in short: `status:running`, `chunk:text`, `error:expired` ..."""
        return [shown(message) for message in self.log(ctx)]

    @contextmanager
    def watched(self, ctx: RequestContext) -> Iterator[None]:
        with self.registry.watch(ctx.request_id, lambda: None):
            yield


def shown(message: sse.Message) -> str:
    data = message.json()
    detail = {
        "status": "state",
        "stage": "stage",
        "response_chunk": "text",
        "action": "phase",
        "complete": "outcome",
        "error": "code",
    }[message.event]
    name = "chunk" if message.event == "response_chunk" else message.event
    return f"{name}:{data[detail]}"
