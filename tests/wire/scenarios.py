"""The golden transcripts: what goes over the wire in each kind of run, with a scripted clock and scripted ids.

`python -m tests.wire` writes the JSON files anew after a deliberate change of the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import gevent
import gevent.event
import orjson
from pydantic import BaseModel

from assistant import sse
from assistant.actions import ActionSpec
from assistant.errors import ProviderTimeout
from assistant.events import Event, action, ask, chunk, stage
from assistant.models import START, ClaimReply, Cursor, RequestContext, ResultReply, parse_cursor
from assistant.protocols import Citation, Finish, Reasoning
from assistant.testing import ScriptedProvider
from assistant.viewer import Viewer
from tests.world import World

HERE = Path(__file__).parent
# When a client that is sent elsewhere comes there, in these transcripts; ms.
SCATTERED = 500
SCENARIOS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {}


class InsertTrack(BaseModel):
    bpm: int


def scenario(about: str) -> Callable[[Callable[[], dict[str, Any]]], Callable[[], dict[str, Any]]]:
    def register(function: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        SCENARIOS[function.__name__] = (about, function)
        return function

    return register


class Wire:
    """One request and the connections that watch it. Each step of a script moves the clock by 10 ms."""

    def __init__(self, world: World, ctx: RequestContext) -> None:
        self.world = world
        self.ctx = ctx
        self.connections: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []

    def connect(self, after: Cursor = START, **notice: str) -> None:
        """A connection from a cursor on, until there is nothing more to send; `state` (and `reason`) end it early."""
        viewer = Viewer(self.world.registry, self.world.viewers, self.ctx, after, clock=self.world.clock)
        if notice:
            viewer.close_with(**notice)
        body = b""
        with mock.patch("assistant.viewer._jitter", return_value=SCATTERED):  # chance is scripted here, as time is
            for block in viewer.blocks():
                if block is None:
                    break
                body += block
        self.connections.append({"after": None if after == START else str(after), "body": body.decode()})

    def poll(self, after: Cursor = START, **notice: str) -> Cursor:
        """A poll from a cursor on, in which nothing new comes while it waits; the cursor to come back with."""
        poll = self.world.service.poll(self.ctx.user_id, self.ctx.request_id, after)
        if notice:
            poll.close_with(**notice)
        body = orjson.dumps(poll.page(lambda: False))
        self.polls.append({"after": None if after == START else str(after), "body": body.decode()})
        return poll.cursor

    def transcript(self) -> dict[str, Any]:
        """The file's contents: the connections as bytes, and what a client must have understood in the end."""
        events = self._polled() if self.polls else self._streamed()
        ctx = self.ctx
        return {
            "request": {"prompt": ctx.prompt, "mode": ctx.mode, "track_id": ctx.track_id, "context": dict(ctx.context)},
            "request_id": ctx.request_id,
            "connections": self.connections,
            **({"polls": self.polls} if self.polls else {}),
            "events": events,
            "ended": bool(events) and events[-1]["event"] in ("complete", "error"),
        }

    def _polled(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for page in (json.loads(one["body"]) for one in self.polls):
            if any(notice["state"] == "reset" for notice in page["notices"]):
                events = []
            events += page["events"]
        return events

    def _streamed(self) -> list[dict[str, Any]]:
        seen: dict[str, sse.Message] = {}
        for connection in self.connections:
            for message in sse.decode([connection["body"].encode()]):
                data = message.json()
                if data.get("state") == "reset" and message.event == "status":
                    seen.clear()
                elif data.get("state") not in ("draining", "closing") or message.event != "status":
                    seen[message.id] = message
        return [{"id": one.id, "event": one.event, "data": one.json()} for one in seen.values()]


def run(world: World, mode: str, after: Cursor = START, **body: Any) -> dict[str, Any]:
    """A request that runs to its end and is then read in one connection."""
    ctx = world.submit(mode=mode, **body)
    world.finished()
    wire = Wire(world, ctx)
    wire.connect(after)
    return wire.transcript()


def ticking(world: World, handler: Callable[[Any], Iterator[Event]]) -> None:
    """Registers `handler` as mode `test`; 10 ms pass before each of its events."""

    def ticked(run: Any) -> Any:
        generator, value = handler(run), None
        while True:
            try:
                event = generator.send(value)
            except StopIteration:
                return
            world.clock.advance(0.010)
            value = yield event

    world.handler(ticked)


def three_chunks(run: Any) -> Iterator[Event]:
    yield stage("answering", "Answering")
    yield chunk("One, ")
    yield chunk("two, ")
    yield chunk("three.")


@scenario("A chat answer with the model's reasoning and a citation")
def chat() -> dict[str, Any]:
    script = [
        Reasoning("They greet. "),
        Reasoning("I greet back."),
        "Hello, ",
        "**Ann**!",
        Citation("Manners", "Greet back."),
    ]
    finish = Finish("stop", "scripted-1", {"input_tokens": 12, "output_tokens": 5})
    return run(World(llm=ScriptedProvider([*script, finish])), "chat", prompt="Hello", track_id="conversation-7")


@scenario("Generated code arrives as an appendix while it is written; what follows it is a note")
def generate() -> dict[str, Any]:
    script = ["A function.\n", "``", "`python\ndef f():\n", "    return 1\n```", "\nCall it ", "as `f()`."]
    return run(World(llm=ScriptedProvider(script)), "generate", prompt="A function that returns 1")


@scenario("An edit of a document that holds a fence of its own")
def edit() -> dict[str, Any]:
    script = ["Made it louder.\n````\n", "# HELLO\n```\nx\n```\n", "````\n"]
    return run(
        World(llm=ScriptedProvider(script)), "edit", prompt="Louder", context={"content": "# Hello\n```\nx\n```"}
    )


@scenario("Text with every character that could break a frame")
def odd_text() -> dict[str, Any]:
    world = World()

    def handler(_: Any) -> Iterator[Event]:
        for text in (
            "line\nbreak\r\n\r",
            "\n\ndata: forged\n\n",
            "\u2028\u2029\x00\ufeff",
            "👩‍👩‍👧 ünï \ud800",
            '"\\</script>',
        ):
            yield chunk(text)

    ticking(world, handler)
    return run(world, "test")


@scenario("A cancel in the middle of an answer: complete, with outcome cancelled and the partial text")
def cancelled() -> dict[str, Any]:
    world = World()

    def handler(run: Any) -> Iterator[Event]:
        yield from three_chunks(run)
        gevent.sleep(1000)

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    wire = Wire(world, ctx)
    world.service.cancel("ann", ctx.request_id)
    world.finished()
    wire.connect()
    return wire.transcript()


@scenario("The handler fails in the middle: error handler_failed with the partial text")
def handler_failed() -> dict[str, Any]:
    world = World()

    def handler(run: Any) -> Iterator[Event]:
        yield from three_chunks(run)
        raise RuntimeError("a bug")

    ticking(world, handler)
    return run(world, "test")


@scenario("The model does not answer in time: error provider_timeout, nothing said")
def provider_timeout() -> dict[str, Any]:
    return run(World(llm=ScriptedProvider([ProviderTimeout()])), "chat")


@scenario("The answer grows beyond its budget: error budget_exceeded with what there is")
def budget_exceeded() -> dict[str, Any]:
    world = World(max_request_bytes=12_400)

    def handler(_: Any) -> Iterator[Event]:
        while True:
            yield chunk("A sentence of forty characters, exactly.")

    ticking(world, handler)
    return run(world, "test")


@scenario("Nobody ever watched: error abandoned")
def abandoned() -> dict[str, Any]:
    world = World()

    def handler(run: Any) -> Iterator[Event]:
        yield chunk("Is anybody there?")
        gevent.sleep(1000)

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    world.pass_time(60)
    world.finished()
    wire = Wire(world, ctx)
    wire.connect()
    return wire.transcript()


@scenario("The server stops: error draining")
def draining() -> dict[str, Any]:
    world = World()

    def handler(run: Any) -> Iterator[Event]:
        yield chunk("Half an ")
        gevent.sleep(1000)

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    world.service.drain()
    world.finished()
    wire = Wire(world, ctx)
    wire.connect()
    return wire.transcript()


def asking(*replies: Any) -> dict[str, Any]:
    world = World()

    def handler(_: Any) -> Iterator[Event]:
        yield action("notify", {"bpm": 1})
        value = yield ask("insert_track", {"bpm": 120})
        yield chunk(f"It is {value}.")

    world.catalog.add_action(ActionSpec("notify", InsertTrack, "nothing"))
    world.catalog.add_action(ActionSpec("insert_track", InsertTrack, "result"))
    ticking(world, handler)
    ctx = world.submit(context={"actions": ["notify", "insert_track"]})
    world.settle()
    wire = Wire(world, ctx)
    wire.connect()
    last = world.registry.snapshot(ctx.request_id).last_event
    for reply in replies:
        world.clock.advance(0.5)
        world.registry.answer(ctx.request_id, "act-2", reply)
    world.finished()
    wire.connect(last)
    return wire.transcript()


@scenario("An action whose result the answer goes on with, and one that wants nothing")
def action_result() -> dict[str, Any]:
    return asking(ClaimReply(status="claimed", claim="tab-1"), ResultReply(status="ok", value={"track": 3}))


@scenario("An action that the page denies: error action_failed")
def action_denied() -> dict[str, Any]:
    return asking(ResultReply(status="denied"))


def cut_after(count: int, *, then: Cursor | None = None, **notice: str) -> dict[str, Any]:
    """A connection that ends behind `count` events, and a second one that goes on at its cursor or at `then`."""
    world = World()
    gate = gevent.event.Event()

    def handler(run: Any) -> Iterator[Event]:
        for number, event in enumerate(three_chunks(run)):
            if number == count:
                gate.wait(5)
            yield event

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    wire = Wire(world, ctx)
    wire.connect(START, **notice)
    cut = world.registry.snapshot(ctx.request_id).last_event
    gate.set()
    world.finished()
    wire.connect(then or cut)
    return wire.transcript()


@scenario("A connection that is cut, and a second one that goes on at its cursor")
def resumed() -> dict[str, Any]:
    return cut_after(2)


@scenario("A token that ends in mid-stream: the notice closing, then a second connection at the cursor")
def closing() -> dict[str, Any]:
    return cut_after(2, state="closing", reason="auth_expired")


@scenario("A server that hands its viewers over: the notice draining, then a second connection at the cursor")
def handed_over() -> dict[str, Any]:
    return cut_after(2, state="draining")


@scenario("A cursor that names no event of the log: the notice reset, then everything from the start")
def reset() -> dict[str, Any]:
    return cut_after(2, then=parse_cursor("7-9"))


def polled(*notices: dict[str, str], then: Cursor | None = None) -> dict[str, Any]:
    """Two polls while the answer is half done, two when it is whole: what is new, nothing new, the rest, an end that was
    seen already. The first bring these notices; the third asks from its cursor or from `then`."""
    world = World()
    gate = gevent.event.Event()

    def handler(run: Any) -> Iterator[Event]:
        *early, late = three_chunks(run)
        yield from early
        gate.wait(5)
        yield late

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    wire = Wire(world, ctx)
    cursor = START
    for notice in notices or ({}, {}):
        cursor = wire.poll(cursor, **notice)
    gate.set()
    world.finished()
    wire.poll(wire.poll(then or cursor))
    return wire.transcript()


@scenario("An answer that is polled: what there is, nothing new, the rest, and once more after its end")
def poll() -> dict[str, Any]:
    return polled()


@scenario("Polls that bring the notices closing and draining, and a cursor that names no event")
def poll_notices() -> dict[str, Any]:
    return polled({"state": "closing", "reason": "auth_expired"}, {"state": "draining"}, then=parse_cursor("7-9"))


@scenario("Another worker takes the request over: attempt 2 begins at 2-1, behind what attempt 1 had sent")
def takeover() -> dict[str, Any]:
    world = World()

    def handler(run: Any) -> Iterator[Event]:
        yield stage("answering", "Answering")
        gevent.sleep(1000)

    ticking(world, handler)
    ctx = world.submit()
    world.settle()
    wire = Wire(world, ctx)
    wire.connect()
    cut = world.registry.snapshot(ctx.request_id).last_event
    queue = world.registry._entries[ctx.request_id].queue  # type: ignore[attr-defined]
    queue.begin(2)
    for event in (Event("status", {"state": "recovering"}), Event("status", {"state": "running"})):
        world.clock.advance(0.01)
        queue.append(2, Event(event.name, {**event.data, "ts": world.clock.now()}))
    text = {"text": "From the start.", "part": "text", "index": 0, "ts": world.clock.now()}
    queue.append(2, Event("response_chunk", text))
    partial = {"text": "From the start.", "parts": [{"index": 0, "part": "text", "text": "From the start."}]}
    ending = {"outcome": "completed", **partial, "actions": [], "finish_reason": "stop", "model": "scripted"}
    usage = {"usage": {"input_tokens": 1, "output_tokens": 3}, "timings": {"first_chunk": 0.01, "total": 0.02}}
    queue.finish(2, Event("complete", {**ending, **usage, "ts": world.clock.now()}))
    world.runner.abandon(ctx.request_id)
    world.finished()
    wire.connect(cut)
    return wire.transcript()


def build(name: str) -> dict[str, Any]:
    about, function = SCENARIOS[name]
    return {"name": name, "about": about, **function()}


def written(name: str) -> str:
    return json.dumps(build(name), indent=1, ensure_ascii=True) + "\n"
