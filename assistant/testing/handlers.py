"""A handler without a server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

from ..catalog import Catalog, Handler
from ..clock import Clock
from ..config import Settings
from ..events import Ask, Event
from ..models import RequestContext, new_request_id
from ..protocols import LLMProvider
from ..run import Run
from .scripted import ScriptedProvider


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

    `replies` answers its `ask` by the action's name: a value, an exception to raise there, or a function of
    the arguments. Raises what the handler raises, and KeyError for an `ask` without a reply.
    """
    now = Clock().now()
    request = RequestContext(new_request_id(now), user_id, mode, prompt, now, now + 1_800_000, context=context or {})
    run = Run(request, settings=settings or Settings(), catalog=catalog or Catalog(), llm=llm or ScriptedProvider())
    events: list[Event] = []
    with closing(handler(run)) as generator:
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
    if isinstance(reply, type) and issubclass(reply, BaseException):
        reply = reply()
    elif callable(reply):
        reply = reply(question.data["args"])
    if isinstance(reply, BaseException):
        return lambda: generator.throw(reply)
    return lambda: generator.send(reply)
