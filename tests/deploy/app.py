"""The app of these tests: answers that go on only when the last piece has been seen, long ones, and whatever is counted."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from assistant import Assistant, ask, chunk, create_app, signals
from assistant.actions import ActionSpec
from assistant.errors import ProviderUnavailable
from assistant.events import Event
from assistant.protocols import Delta, Finish, Message, Text


class Moody:
    """A model that answers, unless it is told to fail."""

    def stream(
        self, messages: Sequence[Message], *, model: str, max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        if "fail" in messages[-1].content:
            raise ProviderUnavailable
        for word in ("Well", ", ", "yes."):
            time.sleep(0.01)
            yield Text(word)
        yield Finish("stop", "moody", {"input_tokens": 1, "output_tokens": 3})


assistant = Assistant(provider=Moody())


@assistant.action("next", wants="approval")
class Next(BaseModel):
    """Says that everything so far has been seen."""


@assistant.handler("steps")
def steps(run: Any) -> Iterator[Event]:
    """`count` chunks, each sent when the client has said that it saw the one before."""
    for number in range(run.request.context["count"]):
        yield chunk(f"{number};")
        yield ask("next", {})


@assistant.handler("slow")
def slow(run: Any) -> Iterator[Event]:
    """A chunk after each of the pauses, in seconds."""
    for number, pause in enumerate(run.request.context["pauses"]):
        time.sleep(pause)
        yield chunk(f"{number};")


app = create_app(assistant=assistant)


@app.post("/shake")
def shake() -> dict[str, str]:
    """What seldom happens to a server, said by the signals that would say it."""
    web = app.extensions["assistant"]
    registry, lost = web.service.registry, SimpleNamespace(request_id="lost")
    signals.emit(signals.store_answered, registry, op="append", seconds=0.002)
    signals.emit(signals.store_failed, registry, op="append", kind="timeout")
    signals.emit(signals.request_taken_over, app, ctx=lost, result="ended")
    signals.emit(signals.processing_lost, app, ctx=lost, fenced=True)
    signals.emit(signals.loop_ticked, app, lag=0.002)
    signals.emit(signals.loop_blocked, app, seconds=0.2, stack="somewhere")
    signals.emit(signals.log_dropped, None, lines=1)
    return {"shaken": "yes"}
