"""The product as a team would run it: its own mode, registered through the public API, behind real logins."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from flask import Flask
from pydantic import BaseModel, Field

from assistant import Assistant, chunk, create_app
from assistant.events import Event
from assistant.protocols import HandlerRun
from assistant.signals import processing_finished

from .workload import texts

MODE = "bench"


class Asked(BaseModel):
    """The context of a request of this mode."""

    events: int = Field(ge=0, le=10_000)
    gap: float = Field(ge=0, le=60)
    hold: float = Field(default=0, ge=0, le=600)


class Accounts:
    """What the server accounted to its requests, as told by `processing_finished`."""

    def __init__(self) -> None:
        self.finished = self.largest = 0

    def note(self, _: Flask, *, usage: Any, **__: Any) -> None:
        self.finished += 1
        self.largest = max(self.largest, usage.bytes)


def build() -> Flask:
    """The app for gunicorn; everything else comes from the environment, as for any user."""
    assistant = Assistant()

    @assistant.handler(MODE, context=Asked)
    def emit_what_is_asked(run: HandlerRun) -> Generator[Event, Any, None]:
        asked = run.request.context
        for text in texts(asked["events"], asked["gap"], asked.get("hold", 0.0)):
            yield chunk(text)

    app = create_app({"ASSISTANT_SOCKET_DRIVER": True}, assistant=assistant)  # as in wsgi.py: nothing stands between
    accounts = app.extensions["bench-accounts"] = Accounts()
    processing_finished.connect(accounts.note, sender=app)
    app.add_url_rule("/bench/accounts", view_func=lambda: vars(accounts), endpoint="bench_accounts")
    return app
