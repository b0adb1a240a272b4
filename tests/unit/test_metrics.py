"""Metrics: the names of the design, fed by signals, and never more series than the table allows."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assistant import signals
from assistant.account import Usage
from assistant.errors import CODES, ProviderTimeout
from assistant.events import NAMES, STATES, Event
from assistant.observability import metrics
from assistant.observability.metrics import FAMILIES, Metrics
from tests.world import World

_MODES = ("chat", "edit", "generate")


def series(counted: Metrics) -> dict[str, float]:
    """All series as `name{label=value,...}`, with what they say."""
    text, _ = counted.scrape()
    return {
        one.name.removeprefix("assistant_")
        + "{"
        + ",".join(f"{k}={v}" for k, v in sorted(one.labels.items()))
        + "}": one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


@pytest.fixture
def app() -> object:
    return type("App", (), {})()


@pytest.fixture
def counted(app: object) -> Iterator[Metrics]:
    registry = type("Registry", (), {})()
    found = metrics.listen(app, registry, "scripted")
    assert found is not None
    found.registry = registry  # type: ignore[attr-defined]
    return found


def test_a_request_from_its_post_to_its_end_is_counted_once(app: object, counted: Metrics) -> None:
    world = World(sender=app)
    ctx = world.submit(mode="chat")

    assert series(counted)["requests_active{state=accepted}"] == 1
    world.finished()

    seen = series(counted)
    assert seen["requests_total{mode=chat,outcome=completed}"] == 1
    assert seen["request_duration_seconds_count{mode=chat,outcome=completed}"] == 1
    assert seen["time_to_first_chunk_seconds_count{mode=chat}"] == 1
    assert seen["chunks_total{}"] == 1
    assert seen["upstream_requests_total{outcome=ok,provider=scripted}"] == 1
    assert {state: value for state, value in seen.items() if state.startswith("requests_active")} == {
        "requests_active{state=accepted}": 0,
        "requests_active{state=running}": 0,
    }
    names = [message.event for message in world.log(ctx)]
    assert {name: seen.get(f"events_total{{type={name}}}", 0) for name in NAMES} == {n: names.count(n) for n in NAMES}


def test_a_cancel_is_measured_to_the_end_of_the_handler(app: object, counted: Metrics) -> None:
    world = World(sender=app)

    def slow(run: Any) -> Iterator[Event]:
        yield from run.reply(run.messages())
        try:
            gevent.sleep(3600)
        finally:
            world.clock.advance(0.2)

    world.handler(slow)
    ctx = world.submit()
    world.settle()

    world.service.cancel("ann", ctx.request_id)
    world.finished()

    seen = series(counted)
    assert seen["requests_total{mode=test,outcome=cancelled}"] == 1
    assert seen["cancel_to_upstream_close_seconds_sum{}"] == pytest.approx(0.2)


def test_failures_are_counted_by_their_code(app: object, counted: Metrics) -> None:
    world = World(sender=app)

    def fails(run: Any) -> Iterator[Event]:
        raise ProviderTimeout
        yield

    world.handler(fails)
    world.submit()
    world.finished()

    seen = series(counted)
    assert seen["errors_total{code=provider_timeout}"] == 1
    assert seen["requests_total{mode=test,outcome=failed}"] == 1


def test_a_request_without_a_runner_is_counted_when_it_is_ended(app: object, counted: Metrics) -> None:
    world = World(sender=app)
    ctx = world.submit(mode="chat")
    world.finished()
    lost = world.submit(mode="chat")
    task = world.runner._tasks.pop(lost.request_id)

    world.runner.abandon(lost.request_id)

    seen = series(counted)
    assert seen["requests_total{mode=chat,outcome=failed}"] == 1
    assert seen["errors_total{code=internal}"] == 1
    assert ctx.request_id != lost.request_id
    task.abandon()
    world.settle()
    assert sum(v for k, v in series(counted).items() if k.startswith("requests_active")) == 0


def test_streams_are_open_resumed_reset_and_refused(app: object, counted: Metrics) -> None:
    ctx = SimpleNamespace(request_id="r", mode="chat")
    for cursor, reset in (("0-0", False), ("1-4", False), ("1-9", True)):
        signals.emit(signals.stream_opened, app, ctx=ctx, cursor=cursor, reset=reset)
    signals.emit(signals.stream_closed, app, ctx=ctx, reason="ended", cursor="1-9", bytes=10, duration=3.0)
    signals.emit(signals.stream_closed, app, ctx=ctx, reason="<script>", cursor="1-9", bytes=10, duration=3.0)
    signals.emit(signals.stream_refused, app, user_id="ann", cursor="1-9", code="gone")
    signals.emit(signals.stream_refused, app, user_id="ann", cursor="", code="gone")

    seen = series(counted)

    assert seen["stream_connections{}"] == 1
    assert [seen[f"stream_resumes_total{{result={r}}}"] for r in ("resumed", "reset", "refused")] == [1, 1, 1]
    assert seen["rejected_total{reason=gone}"] == 2
    assert seen["stream_connection_duration_seconds_count{end_reason=ended}"] == 1
    assert seen["stream_connection_duration_seconds_count{end_reason=other}"] == 1


def test_a_code_of_somebody_elses_is_other(app: object, counted: Metrics) -> None:
    signals.emit(signals.request_rejected, app, user_id=None, mode="x", code="no-such-code")

    assert series(counted)["rejected_total{reason=other}"] == 1


def test_the_series_have_a_bound_though_everything_happens(app: object, counted: Metrics) -> None:
    """Every mode in every outcome, every state, every code, every end: 200 is for what hostile clients can do, see
    tests/integration/test_metrics.py; this is all that there can ever be."""
    ctxs = [SimpleNamespace(request_id=str(n), mode=mode) for n, mode in enumerate(_MODES)]
    codes = sorted(CODES)
    run = SimpleNamespace(upstream=dict.fromkeys(["ok", "stopped", "error", *codes], 1))
    usage = Usage(1.0, 0.1, 3, 2, 9, 1, 1, 1, dict.fromkeys(NAMES, 1), 0.1, 0.1)
    for ctx in ctxs:
        signals.emit(signals.request_accepted, app, ctx=ctx, removed=0)
        for state in sorted(STATES):
            signals.emit(signals.event_published, app, ctx=ctx, event=Event("status", {"state": state}), event_id="1-2")
        signals.emit(signals.answer_begun, app, ctx=ctx, seconds=0.2)
        ends = [Event("complete", {"outcome": "completed"}), Event("complete", {"outcome": "cancelled"})]
        for event in (*ends, *(Event("error", {"code": code}) for code in codes)):
            signals.emit(
                signals.processing_finished, app, ctx=ctx, run=run, result=event.data, event=event, usage=usage
            )
        for cursor, reset in (("1-1", True), ("1-1", False)):
            signals.emit(signals.stream_opened, app, ctx=ctx, cursor=cursor, reset=reset)
        for reason in ("ended", "client_gone", "stalled", "draining", "auth_expired", "x"):
            signals.emit(signals.stream_closed, app, ctx=ctx, reason=reason, cursor="1-1", bytes=1, duration=1.0)
        signals.emit(signals.processing_lost, app, ctx=ctx, fenced=True)
        for result in ("restarted", "ended"):
            signals.emit(signals.request_taken_over, app, ctx=ctx, result=result)
    for code in codes:
        signals.emit(signals.request_rejected, app, user_id=None, mode=None, code=code)
    signals.emit(signals.stream_refused, app, user_id=None, cursor="1-1", code="gone")
    signals.emit(signals.requests_removed, app, removed=[], reasons={"expired": 1, "evicted": 1})
    signals.emit(signals.loop_ticked, app, lag=0.1)
    signals.emit(signals.loop_blocked, app, seconds=1.0, stack=[])
    for op in ("create", "write", "read", "own", "sweep"):
        signals.emit(signals.store_answered, counted.registry, op=op, seconds=0.1)  # type: ignore[attr-defined]
    for kind in ("timeout", "connection", "full", "other"):
        signals.emit(signals.store_failed, counted.registry, op="write", kind=kind)  # type: ignore[attr-defined]

    seen = series(counted)

    assert set(FAMILIES) <= {_family(key) for key in seen}
    # every one of the codes of errors.py as an error, as a refusal and of the model: far more than can be at once
    by_code = sum(key.startswith(("errors_total", "rejected_total", "upstream_requests_total")) for key in seen)
    assert len(seen) - by_code <= 200
    assert by_code <= 3 * (len(CODES) + 4)


def test_who_listens_to_the_store_hears_its_own(app: object, counted: Metrics) -> None:
    signals.emit(signals.store_answered, object(), op="create", seconds=1.0)

    assert not [key for key in series(counted) if key.startswith("registry_operation")]


def test_without_the_client_library_nothing_counts_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "find_spec", lambda _: None)

    assert metrics.listen(object(), object(), "x") is None


def _family(key: str) -> str:
    name = key.partition("{")[0]
    return next(
        (n for n in FAMILIES if name in (n, f"{n}_bucket", f"{n}_sum", f"{n}_count") or f"{name}_total" == n), name
    )
