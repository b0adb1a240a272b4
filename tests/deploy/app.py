"""The app behind nginx in these tests: answers that go on only when the last piece has been seen, and long ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from assistant import Assistant, ask, chunk, create_app
from assistant.events import Event

assistant = Assistant()


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
