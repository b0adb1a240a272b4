"""Every path of a request leads to exactly one terminal event."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
import pytest
from pydantic import BaseModel

from assistant.actions import ActionSpec, Verdict
from assistant.errors import ActionDenied, ActionExpired, ActionFailed, NotFound, ProviderUnavailable, RequestClosed
from assistant.events import Event, action, ask, chunk, stage
from assistant.fiber import Fiber
from assistant.models import ClaimReply, ResultReply
from assistant.protocols import Finish
from assistant.signals import event_published, processing_finished, processing_started, request_accepted
from assistant.task import Task
from assistant.testing import ScriptedProvider
from tests.world import SOON, World


class Tempo(BaseModel):
    bpm: int


@pytest.fixture
def world() -> World:
    return World()


def ends_once(world: World, ctx: Any) -> str:
    """The last entry of a log that is closed and holds exactly one terminal event."""
    names = world.names(ctx)
    assert [name for name in names if name.startswith(("complete:", "error:"))] == names[-1:]
    assert world.registry.read(ctx.request_id, (0, 0)).closed  # type: ignore[arg-type]
    assert world.registry.active() == 0
    return names[-1]


def waiting(run: Any) -> Iterator[Event]:
    yield chunk("one")
    gevent.sleep(1000)
    yield chunk("never")


class TestEnds:
    def test_a_handler_that_returns_completes_with_all_it_said(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield stage("drafting")
            yield chunk("Hello ")
            yield chunk("world")
            yield chunk("print()", part="appendix", kind="code", language="python")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert world.names(ctx) == [
            "status:accepted", "status:running", "stage:drafting", "chunk:Hello ", "chunk:world", "chunk:print()",
            "complete:completed",
        ]  # fmt: skip
        result = world.registry.result(ctx.request_id)
        assert result is not None
        assert result["text"] == "Hello world"
        assert [part["part"] for part in result["parts"]] == ["text", "appendix"]
        assert ends_once(world, ctx) == "complete:completed"

    def test_a_handler_that_raises_ends_in_handler_failed_and_keeps_the_partial_text(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield chunk("half ")
            raise RuntimeError("secret detail")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"
        result = world.registry.result(ctx.request_id)
        assert result is not None
        assert result["partial"]["text"] == "half "
        assert "secret" not in str(result)

    def test_a_handler_that_raises_before_its_first_event_ends(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            raise RuntimeError("at once")
            yield chunk("never")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"

    def test_an_assistant_error_keeps_its_code(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")
            raise ProviderUnavailable(retry_after=3.0)

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:provider_unavailable"
        assert world.registry.result(ctx.request_id)["retry_after"] == 3.0  # type: ignore[index]

    def test_a_model_that_stops_in_the_middle_is_an_error_never_an_answer(self) -> None:
        class Cut(ScriptedProvider):
            def _play(self, script: Any, model: str) -> Any:
                yield from (delta for delta in super()._play(script, model) if not isinstance(delta, Finish))

        world = World(llm=Cut(["half"]))

        ctx = world.submit(mode="chat")
        world.finished()

        assert ends_once(world, ctx) == "error:provider_incomplete"

    @pytest.mark.parametrize("garbage", [None, 3, "text", object(), chunk])
    def test_a_handler_that_yields_something_else_ends_in_handler_failed(self, world: World, garbage: Any) -> None:
        def handler(run: Any) -> Iterator[Any]:
            yield garbage

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"

    @pytest.mark.parametrize("forged", [Event("complete", {}), Event("error", {}), Event("stage", {"x": {1, 2}})])
    def test_a_handler_cannot_forge_an_end_or_an_event_that_does_not_encode(self, world: World, forged: Event) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield forged

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"

    @pytest.mark.parametrize("after", [0, 1, 2, 3])
    def test_a_raise_at_every_yield_ends_once(self, world: World, after: int) -> None:
        def handler(run: Any) -> Iterator[Event]:
            for number in range(3):
                if number == after:
                    raise ValueError
                yield chunk(str(number))
            raise ValueError

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"

    def test_a_clean_up_that_raises_does_not_replace_the_outcome(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            try:
                yield chunk("x")
                yield Event("complete", {})
            finally:
                raise KeyError("clean-up")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"

    def test_a_context_that_cannot_be_entered_ends_in_internal(self) -> None:
        entered: list[int] = []

        @contextmanager
        def broken() -> Iterator[None]:
            entered.append(1)
            if len(entered) == 1:
                raise RuntimeError("no context today")
            yield

        world = World(context=broken)
        world.handler(waiting)

        ctx = world.submit()
        with quiet_hub():
            world.finished()

        assert ends_once(world, ctx) == "error:internal"

    def test_a_greenlet_killed_in_the_middle_ends_in_internal(self, world: World) -> None:
        world.handler(waiting)
        ctx = world.submit()
        world.settle()

        world.runner._tasks[ctx.request_id]._fiber.kill()
        world.finished()

        assert ends_once(world, ctx) == "error:internal"

    def test_a_greenlet_killed_before_its_first_turn_ends_in_internal(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun: list[bool] = []

        def never(run: Any) -> Iterator[Event]:
            begun.append(True)
            yield chunk("x")

        world.handler(never)
        monkeypatch.setattr(Fiber, "start", Fiber.kill)  # the first thing that the loop does with it
        ctx = world.submit()
        world.finished()

        assert begun == []
        assert ends_once(world, ctx) == "error:internal"

    @pytest.mark.parametrize("signal", [request_accepted, processing_started, event_published, processing_finished])
    def test_a_receiver_that_raises_hurts_nobody(self, signal: Any) -> None:
        sender = object()
        world = World(sender=sender)

        def handler(run: Any) -> Iterator[Event]:
            yield stage("drafting")
            yield chunk("x")

        def receiver(_: Any, **facts: Any) -> None:
            raise RuntimeError("a receiver")

        world.handler(handler)
        with signal.connected_to(receiver, sender=sender):
            ctx = world.submit()
            world.finished()

        assert ends_once(world, ctx) == "complete:completed"

    @pytest.mark.parametrize(
        ("raised", "code"),
        [
            (NotFound(), "not_found"),
            (RequestClosed(), "internal"),
            (SystemExit(1), "handler_failed"),
            (KeyboardInterrupt(), "handler_failed"),
            (gevent.Timeout(1), "handler_failed"),
            (StopIteration(), "handler_failed"),
            (RuntimeError(), "handler_failed"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
    )
    def test_whatever_a_handler_raises_is_an_end(self, world: World, raised: BaseException, code: str) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")
            raise raised

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == f"error:{code}"

    @pytest.mark.parametrize(
        "finish", [Finish("st\ud800op", "m"), Finish("stop", None), Finish("stop", "m", {"input_tokens": 1.5})]
    )  # type: ignore[arg-type]
    def test_odd_facts_of_a_provider_do_not_keep_an_answer_from_its_end(self, finish: Finish) -> None:
        world = World(llm=ScriptedProvider(["x", finish]))

        ctx = world.submit(mode="chat")
        world.finished()

        assert ends_once(world, ctx) == "complete:completed"

    def test_an_end_that_does_not_encode_is_replaced_by_one_that_does(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")
            run.input_tokens = object()

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:internal"

    def test_a_context_that_can_never_be_entered_ends_in_internal(self) -> None:
        def broken() -> Any:
            raise RuntimeError("no context at all")

        world = World(context=broken)
        world.handler(waiting)

        ctx = world.submit()
        with quiet_hub():
            world.finished()

        assert ends_once(world, ctx) == "error:internal"

    def test_a_sender_that_dies_in_a_receiver_leaves_a_request_that_runs(self) -> None:
        sender = object()
        world = World(sender=sender)

        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")

        def receiver(_: Any, **facts: Any) -> None:
            raise gevent.GreenletExit

        world.handler(handler)
        with request_accepted.connected_to(receiver, sender=sender), pytest.raises(gevent.GreenletExit):
            world.submit()
        world.finished()

        (snapshot,) = world.registry.requests_of("ann")
        assert ends_once(world, snapshot.ctx) == "complete:completed"

    def test_a_request_that_has_ended_leaves_nothing_to_the_collector(self, world: World) -> None:
        """Which comes seldom: its looks cost every other request."""

        def brief(run: Any) -> Iterator[Event]:
            yield chunk("x")
            gevent.sleep(0)

        world.handler(brief)
        gc.collect()
        gc.disable()
        try:
            before = held()
            world.submit()
            world.finished()
            world.settle()
            left = [one for one in held() if not any(one is other for other in before)]
        finally:
            gc.enable()

        assert left == []

    def test_a_request_without_a_runner_is_ended_by_the_janitor(self, world: World) -> None:
        world.handler(waiting)
        ctx = world.submit()
        world.settle()
        world.runner._tasks.clear()  # what no known path does

        world.pass_time(60)

        assert ends_once(world, ctx) == "error:internal"
        for fiber in lost_fibers():
            fiber.kill()

    @pytest.mark.parametrize(
        "forged",
        [
            Event("x\nid: 99-1\nevent: complete\ndata: {}\n\n", {}),
            Event("status", {"state": "waiting_action"}),
            Event("status", {"state": "bogus"}),
            Event("status", {}),
        ],
        ids=lambda event: event.name[:6],
    )
    def test_a_handler_sends_only_what_a_handler_may_say(self, world: World, forged: Event) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield forged

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert world.names(ctx) == ["status:accepted", "status:running", "error:handler_failed"]

    def test_a_clean_up_that_hangs_does_not_hold_the_end_up(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            try:
                while True:
                    yield chunk("x" * 100_000)
            finally:
                gevent.sleep(1000)

        world.handler(handler)
        ctx = world.submit()
        world.settle()
        with gevent.Timeout(SOON):
            while world.registry.snapshot(ctx.request_id).bytes < 3_000_000:
                gevent.sleep(0.001)
        gevent.sleep(0.05)

        world.pass_time(2.1)
        world.finished()

        assert ends_once(world, ctx) == "error:budget_exceeded"


class TestStop:
    def test_a_stop_surfaces_where_the_handler_waits_and_runs_its_clean_up(self, world: World) -> None:
        cleaned: list[str] = []

        def handler(run: Any) -> Iterator[Event]:
            try:
                yield from waiting(run)
            finally:
                cleaned.append("closed")

        world.handler(handler)
        ctx = world.submit()
        world.settle()

        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert cleaned == ["closed"]
        assert world.names(ctx)[-3:] == ["chunk:one", "status:cancelling", "complete:cancelled"]
        assert world.registry.result(ctx.request_id)["text"] == "one"  # type: ignore[index]

    def test_a_stop_before_the_first_turn_runs_nothing_of_the_handler(self, world: World) -> None:
        ran: list[int] = []

        def handler(run: Any) -> Iterator[Event]:
            ran.append(1)
            yield chunk("x")

        world.handler(handler)
        ctx = world.submit()

        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert not ran
        assert ends_once(world, ctx) == "complete:cancelled"

    def test_the_first_reason_counts(self, world: World) -> None:
        world.handler(waiting)
        ctx = world.submit()
        world.settle()

        world.registry.stop(ctx.request_id, "draining")
        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert ends_once(world, ctx) == "error:draining"

    def test_a_stop_after_the_end_says_so_and_changes_nothing(self, world: World) -> None:
        world.handler(lambda run: iter([chunk("x")]))

        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")

        world.handler(handler)
        ctx = world.submit()
        world.finished()

        assert world.registry.stop(ctx.request_id, "cancelled") is False
        assert ends_once(world, ctx) == "complete:completed"

    def test_a_handler_that_swallows_its_stop_is_ended_at_its_next_yield(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            with suppress(BaseException):
                gevent.sleep(1000)
            yield chunk("after the stop")
            yield chunk("never")

        world.handler(handler)
        ctx = world.submit()
        world.settle()

        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert "chunk:after the stop" not in world.names(ctx)
        assert ends_once(world, ctx) == "complete:cancelled"

    def test_a_handler_that_raises_while_it_is_stopped_is_still_cancelled(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            try:
                yield from waiting(run)
            finally:
                raise RuntimeError("in finally")

        world.handler(handler)
        ctx = world.submit()
        world.settle()

        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert ends_once(world, ctx) == "complete:cancelled"

    def test_a_handler_that_ignores_its_stop_is_finished_after_two_seconds(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            for _ in range(2):
                try:
                    gevent.sleep(1000)
                except BaseException:
                    continue
            yield chunk("never")

        world.handler(handler)
        ctx = world.submit()
        world.settle()
        world.registry.stop(ctx.request_id, "cancelled")
        world.settle()
        assert world.registry.active() == 1

        world.pass_time(1.9)
        assert world.registry.active() == 1
        world.pass_time(0.2)

        assert ends_once(world, ctx) == "complete:cancelled"
        world.finished()

    def test_a_stop_interrupts_a_handler_that_yields_without_waiting(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            while True:
                yield chunk("x")

        world.handler(handler)
        ctx = world.submit()
        gevent.spawn(world.registry.stop, ctx.request_id, "cancelled")
        world.finished()

        assert ends_once(world, ctx) == "complete:cancelled"

    def test_a_stop_never_lands_in_a_receiver(self) -> None:
        sender, saved = object(), []
        world = World(sender=sender)

        def handler(run: Any) -> Iterator[Event]:
            yield chunk("x")

        def slow_receiver(_: Any, **facts: Any) -> None:
            for _turn in range(50):
                gevent.sleep(0)
            saved.append(facts["result"]["text"])

        world.handler(handler)
        with processing_finished.connected_to(slow_receiver, sender=sender):
            ctx = world.submit()
            world.settle()
            world.registry.stop(ctx.request_id, "cancelled")
            world.clock.advance(10)
            world.janitor.round()
            world.finished()

        assert saved == ["x"]

    def test_a_stop_closes_the_model_stream(self) -> None:
        llm = ScriptedProvider(["one", 1000.0])
        world = World(llm=llm)
        ctx = world.submit(mode="chat")
        world.settle()

        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

        assert llm.closed == 1
        assert ends_once(world, ctx) == "complete:cancelled"


class TestBudget:
    def test_an_answer_over_the_byte_budget_ends_within_it_and_keeps_its_text(self) -> None:
        world = World(max_request_bytes=20_000)

        def handler(run: Any) -> Iterator[Event]:
            while True:
                yield chunk("x" * 100)

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:budget_exceeded"
        assert world.registry.snapshot(ctx.request_id).bytes <= 20_000
        assert len(world.registry.result(ctx.request_id)["partial"]["text"]) > 2_000  # type: ignore[index]

    def test_a_reply_over_the_budget_ends_the_request_and_not_in_silence(self) -> None:
        world = World(max_request_bytes=20_000)

        def handler(run: Any) -> Iterator[Event]:
            yield ask("tempo", {"bpm": 120})
            yield chunk("never")

        world.catalog.add_action(ActionSpec("tempo", Tempo, "approval"))
        world.handler(handler)
        ctx = world.submit()
        world.settle()

        verdict = world.registry.answer(ctx.request_id, "act-1", ResultReply(status="ok", value="x" * 20_000))
        world.finished()

        assert verdict is Verdict.TAKEN
        assert ends_once(world, ctx) in ("error:budget_exceeded", "complete:completed")
        assert world.registry.snapshot(ctx.request_id).bytes <= 20_000

    def test_many_small_parts_stay_within_the_byte_budget(self) -> None:
        world = World(max_request_bytes=100_000)

        def handler(run: Any) -> Iterator[Event]:
            while True:
                yield chunk("x")
                yield chunk("y", part="reasoning")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:budget_exceeded"
        assert world.registry.snapshot(ctx.request_id).bytes <= 100_000

    def test_an_answer_over_the_event_budget_ends(self) -> None:
        world = World(max_request_events=20)

        def handler(run: Any) -> Iterator[Event]:
            while True:
                yield chunk("x")

        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:budget_exceeded"
        assert world.registry.snapshot(ctx.request_id).events == 20


class TestActions:
    @pytest.fixture
    def asking(self, world: World) -> World:
        def handler(run: Any) -> Iterator[Event]:
            try:
                value = yield ask("tempo", {"bpm": 120})
            except (ActionDenied, ActionFailed, ActionExpired) as refusal:
                value = type(refusal).__name__
            yield chunk(f"got {value}")

        world.catalog.add_action(ActionSpec("tempo", Tempo, "result"))
        world.handler(handler)
        return world

    def test_an_answer_goes_on_with_the_value(self, asking: World) -> None:
        ctx = asking.submit()
        asking.settle()
        assert asking.names(ctx)[-2:] == ["action:proposed", "status:waiting_action"]

        first = asking.registry.answer(ctx.request_id, "act-1", ClaimReply(status="claimed", claim="tab"))
        second = asking.registry.answer(ctx.request_id, "act-1", ResultReply(status="ok", value={"bar": 4}))
        asking.finished()

        assert (first, second) == (Verdict.TAKEN, Verdict.TAKEN)
        assert asking.names(ctx)[3:] == [
            "status:waiting_action", "action:claimed", "action:resolved", "status:running", "chunk:got {'bar': 4}",
            "complete:completed",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("reply", "seen"),
        [
            (ResultReply(status="denied"), "ActionDenied"),
            (ResultReply(status="error", value="no such bar", claim="tab"), "ActionFailed"),
        ],
    )
    def test_a_refusal_is_raised_where_the_handler_asked(self, asking: World, reply: ResultReply, seen: str) -> None:
        ctx = asking.submit()
        asking.settle()

        if reply.claim:
            asking.registry.answer(ctx.request_id, "act-1", ClaimReply(status="claimed", claim="tab"))
        asking.registry.answer(ctx.request_id, "act-1", reply)
        asking.finished()

        assert f"chunk:got {seen}" in asking.names(ctx)
        assert ends_once(asking, ctx) == "complete:completed"

    def test_an_action_nobody_answers_expires(self) -> None:
        world = World(action_timeout=0.1)

        def handler(run: Any) -> Iterator[Event]:
            yield ask("tempo", {"bpm": 120})

        world.catalog.add_action(ActionSpec("tempo", Tempo, "result"))
        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert world.names(ctx)[-3:] == ["action:expired", "status:running", "error:action_expired"]

    def test_a_cancel_while_waiting_for_the_page_ends_at_once(self, asking: World) -> None:
        ctx = asking.submit()
        asking.settle()

        asking.registry.stop(ctx.request_id, "cancelled")
        asking.finished()

        assert ends_once(asking, ctx) == "complete:cancelled"
        late = asking.registry.answer(ctx.request_id, "act-1", ResultReply(status="denied"))
        assert late is Verdict.EXPIRED

    def test_an_action_that_wants_nothing_ends_with_its_claim_and_does_not_hold_the_answer_up(
        self, world: World
    ) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield action("tempo", {"bpm": 90})
            yield chunk("on")
            gevent.sleep(1000)

        world.catalog.add_action(ActionSpec("tempo", Tempo, "nothing"))
        world.handler(handler)
        ctx = world.submit()
        world.settle()

        world.registry.answer(ctx.request_id, "act-1", ClaimReply(status="claimed", claim="tab"))

        assert world.names(ctx)[-2:] == ["chunk:on", "action:claimed"]
        assert world.registry.snapshot(ctx.request_id).pending_actions == []
        world.registry.stop(ctx.request_id, "cancelled")
        world.finished()

    def test_an_action_that_wants_nothing_may_be_claimed_after_the_answer_has_ended(self, world: World) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield action("tempo", {"bpm": 90})

        world.catalog.add_action(ActionSpec("tempo", Tempo, "nothing"))
        world.handler(handler)
        ctx = world.submit()
        world.finished()

        replies = [ClaimReply(status="claimed", claim=tab) for tab in ("one", "one", "two")]
        verdicts = [world.registry.answer(ctx.request_id, "act-1", reply) for reply in replies]

        assert verdicts == [Verdict.TAKEN, Verdict.REPEATED_CLAIM, Verdict.CONFLICT]
        assert ends_once(world, ctx) == "complete:completed"

    @pytest.mark.parametrize("bad", [ask("unknown"), ask("tempo", {"bpm": "fast"}), action("unknown")])
    def test_an_action_that_is_not_registered_or_does_not_fit_ends_in_handler_failed(
        self, world: World, bad: Event
    ) -> None:
        def handler(run: Any) -> Iterator[Event]:
            yield bad

        world.catalog.add_action(ActionSpec("tempo", Tempo, "result"))
        world.handler(handler)

        ctx = world.submit()
        world.finished()

        assert ends_once(world, ctx) == "error:handler_failed"


class TestFairness:
    def test_a_busy_handler_lets_others_have_their_turn(self, world: World) -> None:
        turns: list[str] = []

        def busy(run: Any) -> Iterator[Event]:
            for _ in range(30_000):
                yield chunk("x")
            turns.append("busy done")

        def quick(run: Any) -> Iterator[Event]:
            yield chunk("y")
            turns.append("quick done")

        world.handler(busy, "busy")
        world.handler(quick, "quick")

        world.submit(mode="busy")
        world.submit(mode="quick")
        world.finished(within=SOON * 4)

        assert turns == ["quick done", "busy done"]

    def test_busy_handlers_leave_timers_their_turn(self, world: World) -> None:
        """A loop that only ever runs callbacks would look at its timers once in fifty turns."""
        rounds: list[int] = []

        def busy(run: Any) -> Iterator[Event]:
            for number in range(12):
                until = time.perf_counter() + 0.02
                while time.perf_counter() < until:
                    pass
                rounds.append(number)
                yield chunk("x")

        world.handler(busy)
        ctx = world.submit()
        world.settle()
        seen_at: list[int] = []
        timer = gevent.spawn_later(0.001, lambda: seen_at.append(len(rounds)))
        world.finished(within=SOON * 4)
        timer.join()

        assert seen_at[0] < 12
        assert ends_once(world, ctx) == "complete:completed"


def held() -> list[Fiber | Task]:
    return [one for one in gc.get_objects() if isinstance(one, (Fiber, Task))]


def lost_fibers() -> list[Fiber]:
    """Those of handlers that no runner knows any more."""
    return [one for one in gc.get_objects() if isinstance(one, Fiber) and not one.dead]


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Keeps gevent from printing the traceback of a greenlet that is meant to fail."""
    hub = gevent.get_hub()
    before, hub.print_exception = hub.print_exception, lambda *_: None
    try:
        yield
    finally:
        hub.print_exception = before
