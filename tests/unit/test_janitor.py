"""Every clock of the protocol, on a scripted clock, and a janitor that survives its own failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import gevent.event
import pytest
from pydantic import BaseModel

from assistant import janitor
from assistant.actions import ActionSpec
from assistant.errors import Draining
from assistant.events import Event, ask, chunk, stage
from assistant.models import RequestContext
from assistant.protocols import Orphan
from assistant.signals import requests_removed
from tests.world import SOON, World


class NoArgs(BaseModel):
    pass


@pytest.fixture
def world() -> World:
    world = World()

    def silent(run: Any) -> Iterator[Event]:
        gevent.sleep(10_000)
        yield chunk("never")

    def begun(run: Any) -> Iterator[Event]:
        yield chunk("one")
        gevent.sleep(10_000)

    def asking(run: Any) -> Iterator[Event]:
        yield ask("confirm", timeout=10_000)
        gevent.sleep(10_000)

    def staged(run: Any) -> Iterator[Event]:
        yield chunk("one")
        for number in range(100):
            gate.wait()
            gate.clear()
            yield stage(f"step {number}")

    gate = world.gate = gevent.event.Event()  # type: ignore[attr-defined]
    world.catalog.add_action(ActionSpec("confirm", NoArgs, "approval"))
    for function in (silent, begun, asking, staged):
        world.handler(function, function.__name__)
    return world


def started(world: World, mode: str) -> RequestContext:
    ctx = world.submit(mode=mode)
    world.settle()
    return ctx


@pytest.mark.parametrize(
    ("mode", "seconds", "code"),
    [("silent", 60, "provider_timeout"), ("begun", 300, "expired"), ("asking", 1800, "deadline_exceeded")],
)
def test_a_watched_request_ends_at_its_clock_and_not_before(world: World, mode: str, seconds: float, code: str) -> None:
    ctx = started(world, mode)

    with world.watched(ctx):
        world.pass_time(seconds - 0.1)
        assert world.registry.active() == 1
        world.pass_time(0.2)
        world.finished()

    assert world.names(ctx)[-1] == f"error:{code}"


def test_progress_sets_the_clock_back_but_not_the_deadline(world: World) -> None:
    ctx = started(world, "staged")

    with world.watched(ctx):
        for _ in range(8):
            world.pass_time(220)
            assert world.registry.active() == 1
            world.gate.set()  # type: ignore[attr-defined]
            world.settle()
        world.pass_time(41)
        world.finished()

    assert world.names(ctx)[-1] == "error:deadline_exceeded"


def test_a_request_that_nobody_ever_watched_is_abandoned_after_a_minute(world: World) -> None:
    ctx = started(world, "begun")

    world.pass_time(59.9)
    assert world.registry.active() == 1
    world.pass_time(0.2)
    world.finished()

    assert world.names(ctx)[-1] == "error:abandoned"


def test_a_request_that_all_have_left_has_five_minutes(world: World) -> None:
    ctx = started(world, "asking")
    world.pass_time(50)
    with world.watched(ctx):
        world.pass_time(1)

    world.pass_time(299)
    assert world.registry.active() == 1
    world.pass_time(1.1)
    world.finished()

    assert world.names(ctx)[-1] == "error:abandoned"


def test_an_ended_request_is_kept_for_five_minutes_and_said_to_be_removed(world: World) -> None:
    sender = world.janitor._sender = object()
    ctx = started(world, "begun")
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()
    heard: list[Any] = []

    def hear(_: Any, *, removed: Any, reasons: Any) -> None:
        heard.append((removed[0].request_id, dict(reasons)))

    with requests_removed.connected_to(hear, sender=sender):
        world.pass_time(299.9)
        assert heard == []
        world.pass_time(0.2)

    assert heard == [(ctx.request_id, {"expired": 1})]


def test_one_duty_that_fails_keeps_no_other_from_being_done(world: World) -> None:
    def broken() -> None:
        raise RuntimeError("a duty")

    ctx = started(world, "begun")
    world.janitor._duties = (broken, *world.janitor._duties)

    world.pass_time(61)
    world.finished()

    assert world.names(ctx)[-1] == "error:abandoned"


def test_a_takeover_that_fails_is_ended_and_the_others_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [started(world, "begun") for _ in range(3)]
    batches = [[Orphan(ctx, quiet=False) for ctx in lost]]
    taken: list[str] = []

    def recover(orphan: Orphan) -> None:
        taken.append(orphan.ctx.request_id)
        if len(taken) == 2:
            raise RuntimeError("the store was lost in the middle")

    monkeypatch.setattr(world.registry, "reap", lambda: batches.pop() if batches else [])
    monkeypatch.setattr(world.janitor, "_recover", recover)

    world.janitor.recover_lost()
    world.settle()

    assert taken == [ctx.request_id for ctx in lost]
    assert [world.names(ctx)[-1] for ctx in lost] == ["chunk:one", "error:internal", "chunk:one"]
    for ctx in lost:
        world.service.cancel(ctx.user_id, ctx.request_id)
    world.finished()


def test_it_runs_by_itself_and_survives_what_escapes_a_receiver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "TICK", 0.001)
    rounds: list[int] = []

    def duty() -> None:
        rounds.append(1)
        raise gevent.Timeout(1)

    world.janitor._duties = (duty,)

    world.janitor.ensure()
    world.janitor.ensure()
    with gevent.Timeout(SOON):
        while len(rounds) < 3:
            gevent.sleep(0.001)
    world.janitor.close()

    assert len(rounds) >= 3


def test_a_clock_jump_of_the_wall_moves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = started(world, "begun")
    real = world.clock.now

    monkeypatch.setattr(world.clock, "now", lambda: real() + 3_600_000)
    world.pass_time(1)

    assert world.registry.active() == 1
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


class TestDrain:
    def test_unwatched_requests_end_at_once_and_watched_ones_go_on(self, world: World) -> None:
        watched, lonely = started(world, "begun"), started(world, "begun")

        with world.watched(watched):
            world.service.drain()
            world.settle()

            assert world.names(lonely)[-1] == "error:draining"
            assert world.names(watched)[-1] == "chunk:one"
            world.pass_time(55)
            world.finished()

        assert world.names(watched)[-1] == "error:draining"

    def test_a_server_that_will_be_killed_sooner_drains_sooner(self, world: World) -> None:
        watched = started(world, "begun")

        with world.watched(watched):
            world.service.drain(within=3)
            world.pass_time(2)
            assert world.names(watched)[-1] == "chunk:one"
            world.pass_time(1)
            world.finished()

        assert world.names(watched)[-1] == "error:draining"

    def test_a_request_whose_viewers_leave_while_draining_ends(self, world: World) -> None:
        ctx = started(world, "begun")
        with world.watched(ctx):
            world.service.drain()

        world.pass_time(1)
        world.finished()

        assert world.names(ctx)[-1] == "error:draining"

    def test_nothing_new_is_accepted_and_nobody_is_sent_here(self, world: World) -> None:
        world.service.drain()

        with pytest.raises(Draining):
            started(world, "begun")
        with pytest.raises(Draining):
            world.service.ready()
