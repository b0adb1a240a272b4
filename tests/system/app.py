"""The app under the system tests: the real server with modes whose answers are known from their requests."""

from __future__ import annotations

import gc
import hashlib
import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flask import Response, request
from greenlet import greenlet
from pydantic import BaseModel

from assistant import Assistant, ask, chunk, create_app, stage
from assistant.events import Event
from assistant.web.writer import SocketWriter

assistant = Assistant()


def expected(prompt: str, count: int) -> list[str]:
    """The chunks of the answer to `prompt`: the ground truth of every comparison."""
    return [
        hashlib.sha256(f"{prompt}/{number}".encode()).hexdigest()[: 1 + number % 23] + "\n" for number in range(count)
    ]


@assistant.handler("count")
def count(run: Any) -> Iterator[Event]:
    """`count` chunks, `pause` seconds apart."""
    context = run.request.context
    yield stage("counting")
    for text in expected(run.request.prompt, context.get("count", 10)):
        yield chunk(text)
        if context.get("pause"):
            time.sleep(context["pause"])


@assistant.handler("flood")
def flood(run: Any) -> Iterator[Event]:
    """`count` chunks of `size` bytes, as fast as they go."""
    context = run.request.context
    for _ in range(context["count"]):
        yield chunk("x" * context["size"])


@assistant.handler("hold")
def hold(run: Any) -> Iterator[Event]:
    """One chunk, then silence until somebody stops it."""
    yield chunk("holding")
    time.sleep(3600)


@assistant.handler("careful", safe_to_retry=True)
def careful(run: Any) -> Iterator[Event]:
    """`think` seconds in which nothing is said, then `count` chunks."""
    context = run.request.context
    yield stage("thinking")
    time.sleep(context.get("think", 0))
    for text in expected(run.request.prompt, context.get("count", 10)):
        yield chunk(text)
        time.sleep(context.get("pause", 0))


@assistant.handler("upstream")
def upstream(run: Any) -> Iterator[Event]:
    """One chunk, then a model that says nothing, at `port`."""
    yield chunk("holding")
    with socket.create_connection(("127.0.0.1", run.request.context["port"])) as model:
        model.recv(1)


@assistant.action("confirm", wants="approval")
class Confirm(BaseModel):
    pass


@assistant.handler("ask")
def asking(run: Any) -> Iterator[Event]:
    """What the page answers."""
    answer = yield ask("confirm", {})
    yield chunk(str(answer))


@assistant.handler("echo")
def echo(run: Any) -> Iterator[Event]:
    """What would paint a terminal red, between a beginning and an end."""
    yield chunk("so \x1b[31mred\x1b[0m\n")


@assistant.handler("chatter")
def chatter(run: Any) -> Iterator[Event]:
    """A word every few milliseconds until somebody stops it."""
    while True:
        yield chunk("word ")
        time.sleep(0.02)


@assistant.handler("burn")
def burn(run: Any) -> Iterator[Event]:
    """Keeps the processor, and so the loop, for `seconds`."""
    yield chunk("burning")
    ends = time.monotonic() + run.request.context["seconds"]
    while time.monotonic() < ends:
        pass


app = create_app(assistant=assistant)
if "ANNOUNCE" in os.environ:  # to `Server.wait_ready`
    with suppress(OSError):  # in some tests the log cannot be written
        os.write(2, f"loaded by {os.getpid()}\n".encode())


@app.after_request
def marked(response: Response) -> Response:
    """A hook that changes the body of a stream, as one that compresses would, for those who ask for it."""
    if "marked" in request.args:
        response.response = itertools.chain([b": marked\n"], response.response)
    return response


@app.get("/held")
def held() -> dict[str, int]:
    """What this worker holds, for the tests that look for leaks."""
    gc.collect()
    registry = app.extensions["assistant"].service.registry
    return {
        "registry": len(registry._entries),
        "bytes": registry.bytes,
        "users": len(registry._users) + len(registry._active) + len(registry._keys),
        "streams": len(app.extensions["assistant"].service.viewers),
        "handed_over": sum(isinstance(one, SocketWriter) for one in gc.get_objects()),
        "greenlets": sum(isinstance(one, greenlet) and not one.dead for one in gc.get_objects()),
    }


def wrapped(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """The app inside a middleware that is a generator, as many are: one that no StopIteration may pass."""
    yield from app(environ, start_response)
