"""TaskRunner: starts each request in a greenlet of its own and knows those that run in this process."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from . import sse
from .catalog import Catalog
from .clock import Clock
from .config import Settings
from .errors import Internal
from .events import Event, failure
from .models import START, RequestContext
from .protocols import LLMProvider, Orphan, RequestRegistry
from .signals import emit, request_orphaned, request_taken_over
from .task import GRACE, LOST, Task
from .transcript import Transcript


class TaskRunner:
    """Starts requests and knows those that run in this process."""

    def __init__(
        self,
        registry: RequestRegistry,
        catalog: Catalog,
        llm: LLMProvider,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sender: Any = None,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        new_id: Callable[[], str] = lambda: f"act-{uuid.uuid4().hex}",
    ) -> None:
        self.registry = registry
        self.catalog = catalog
        self.llm = llm
        self.settings = settings
        self.clock = clock or Clock()
        self.sender = sender
        self.context = context
        self.new_id = new_id
        self._tasks: dict[str, Task] = {}
        self._ending: dict[str, Task] = {}  # of these, those that are being stopped or clean up

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, ctx: RequestContext) -> None:
        """Runs the request's handler in a greenlet of its own. After this call the request will reach its end."""
        task = Task(self, ctx)
        self._tasks[ctx.request_id] = task
        task.begin()

    def recover(self, orphan: Orphan) -> None:
        """Goes on with a request whose worker was lost: from the start, when its mode may run twice and nothing of an
        answer was seen; else to its end, with what was said as the partial answer."""
        ctx = orphan.ctx
        mode = self.catalog.modes.get(ctx.mode)
        restart = orphan.quiet and mode is not None and mode.safe_to_retry
        task = Task(self, ctx, said=None if restart else self._said(ctx))
        self._tasks[ctx.request_id] = task
        task.begin()  # a cancel that its old worker had no time for is heard here, and comes first
        task.recover(restart=restart)
        emit(request_taken_over, self.sender, ctx=ctx, result="restarted" if restart else "ended")

    def _said(self, ctx: RequestContext) -> Transcript:
        messages = sse.decode(self.registry.read(ctx.request_id, START).frames)
        return Transcript.of(Event(message.event, message.json()) for message in messages)

    def overrun(self) -> list[str]:
        """The requests whose handler has ignored its stop for GRACE seconds."""
        now = self.clock.monotonic()
        return [
            request_id
            for request_id, task in self._ending.items()
            if task.overrun_since is not None and now - task.overrun_since >= GRACE
        ]

    def running(self) -> list[str]:
        """The ids of the requests that run here."""
        return list(self._tasks)

    def abandon(self, request_id: str) -> None:
        """Finishes a request over its handler's head and kills its greenlet; also one that nobody runs any more."""
        if (task := self._tasks.get(request_id)) is not None:
            task.abandon()
            return
        with suppress(*LOST):
            ctx, terminal = self.registry.snapshot(request_id).ctx, failure(Internal(), self.clock.now())
            self.registry.finish(request_id, ctx.attempt, terminal)
            with self.context():
                emit(request_orphaned, self.sender, ctx=ctx, event=terminal)

    def runs(self, request_id: str) -> bool:
        """Whether somebody here will finish the request."""
        return request_id in self._tasks

    def ending(self, request_id: str) -> None:
        """The request's stop or clean-up has begun: from now on `overrun` looks at it."""
        if request_id in self._tasks:
            self._ending[request_id] = self._tasks[request_id]

    def ended(self, request_id: str) -> None:
        self._tasks.pop(request_id, None)
        self._ending.pop(request_id, None)
