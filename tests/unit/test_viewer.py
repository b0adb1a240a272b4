"""What a stream consists of, apart from any socket."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from assistant import sse
from assistant.errors import Gone, NotFound, ServerFull, TooManyViewers
from assistant.events import Event, chunk
from assistant.models import START, Cursor, RequestContext
from assistant.viewer import END, SLICE, Viewer
from tests.world import World

ALL = b"retry: 2000\n"


@pytest.fixture
def world() -> World:
    world = World()

    def hold(run: Any) -> Iterator[Event]:
        yield chunk("one")
        gevent.sleep(1000)

    world.handler(hold)
    return world


@pytest.fixture
def ctx(world: World) -> Iterator[RequestContext]:
    ctx = world.submit()
    world.settle()
    yield ctx
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


class Reader:
    """A driver that keeps what it is given."""

    def __init__(self, world: World, ctx: RequestContext, after: Cursor = START, **options: Any) -> None:
        viewer = world.service.stream(ctx.user_id, ctx.request_id, after, **options)
        assert viewer is not None
        self.viewer: Viewer = viewer
        self.woken = 0
        self.viewer.wake = self._wake
        self.blocks: Generator[bytes | None, None, None] = viewer.blocks()

    def _wake(self) -> None:
        self.woken += 1

    def read(self) -> bytes:
        """All there is now."""
        got = b""
        for block in self.blocks:
            if block is None:
                break
            got += block
        return got


def states(body: bytes) -> list[Any]:
    return [message.json().get("state") for message in sse.decode([body])]


def test_retry_and_all_waiting_frames_are_one_block(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)

    first = next(reader.blocks)

    assert first is not None
    assert first.startswith(b"retry: 2000\nid: 1-1\n")
    assert [message.id for message in sse.decode([first])] == ["1-1", "1-2", "1-3"]
    assert next(reader.blocks) is None
    reader.blocks.close()


def test_a_viewer_without_news_gets_retry_at_once(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx, Cursor(1, 3))

    assert next(reader.blocks) == b"retry: 2000\n"
    assert next(reader.blocks) is None
    reader.blocks.close()


def test_an_append_wakes_and_only_what_is_new_follows(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    reader.read()

    world.registry.append(ctx.request_id, 1, Event("status", {"state": "running", "ts": 0}))

    assert reader.woken == 1
    assert reader.read() == sse.encode("status", {"state": "running", "ts": 0}, "1-4")
    reader.blocks.close()


def test_the_stream_ends_behind_the_terminal_event(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    reader.read()

    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()
    rest = reader.read()

    assert [message.event for message in sse.decode([rest])] == ["status", "complete"]
    assert list(reader.blocks) == []
    assert reader.viewer.end_reason == "ended"


def test_the_last_block_is_empty_and_no_other(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()

    *others, last = reader.blocks

    assert all(others)
    assert last == END


def test_nothing_is_taken_before_the_first_block_and_all_is_given_back(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    assert len(world.viewers) == 0

    reader.read()
    assert len(world.viewers) == 1
    assert world.registry.snapshot(ctx.request_id).viewers == 1
    reader.blocks.close()

    assert len(world.viewers) == 0
    assert world.registry.snapshot(ctx.request_id).viewers == 0
    world.registry.append(ctx.request_id, 1, Event("status", {"state": "running", "ts": 0}))
    assert reader.woken == 0


@pytest.mark.parametrize("after", [Cursor(1, 99), Cursor(7, 1), Cursor(1, 0), Cursor(0, 5)])
def test_a_cursor_that_names_no_event_gets_reset_and_everything(
    world: World, ctx: RequestContext, after: Cursor
) -> None:
    reader = Reader(world, ctx, after)

    body = reader.read()

    first, *others = sse.decode([body])
    assert (first.event, first.json()["state"], first.id) == ("status", "reset", "")
    assert [message.id for message in others] == ["1-1", "1-2", "1-3"]
    reader.blocks.close()


def test_a_notice_ends_the_stream_behind_what_was_waiting_and_moves_no_cursor(
    world: World, ctx: RequestContext
) -> None:
    reader = Reader(world, ctx)
    reader.viewer.close_with("closing", "auth_expired")

    messages = list(sse.decode([reader.read()]))

    assert [message.json().get("state") for message in messages] == ["accepted", "running", None, "closing"]
    assert messages[-1].id == "1-3"  # the last event's: a notice has none of its own
    assert reader.viewer.cursor == Cursor(1, 3)
    assert list(reader.blocks) == []
    assert reader.viewer.end_reason == "auth_expired"


def test_a_notice_is_not_held_up_by_a_stream_that_never_rests(world: World) -> None:
    def chatter(run: Any) -> Iterator[Event]:
        while True:
            yield chunk("x")
            gevent.sleep(0)

    world.handler(chatter, "chatter")
    ctx = world.submit(mode="chatter")
    world.settle()
    reader = Reader(world, ctx)
    reader.viewer.close_with("draining")

    body = b""
    for block in reader.blocks:
        body += block or b""
        gevent.sleep(0)

    assert states(body)[-1] == "draining"
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_silence_is_broken_by_one_comment_line(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    reader.read()

    world.pass_time(13.9)
    assert reader.read() == b""
    world.pass_time(0.1)
    assert reader.read() == b":\n"
    world.pass_time(13.9)

    assert reader.read() == b""
    reader.blocks.close()


def test_a_silent_stream_is_looked_at_when_something_is_due_and_not_each_second(
    world: World, ctx: RequestContext
) -> None:
    reader = Reader(world, ctx)
    reader.read()
    world.pass_time(0)  # the first look, at which it is clear when the next will be

    looks = 0
    for _ in range(28):
        looks += len(world.viewers.due(world.clock.monotonic()))
        world.pass_time(1)
        reader.read()

    assert looks <= 4  # two heartbeats; in the second before one is due there may be a look as well
    assert len(world.viewers) == len(list(world.viewers)) == 1
    reader.blocks.close()
    assert (len(world.viewers), list(world.viewers), world.viewers.due(1e9)) == (0, [], [])


def test_a_look_that_fails_is_made_again_a_second_later(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx)
    reader.read()

    assert world.viewers.due(world.clock.monotonic()) == [reader.viewer]  # and nobody says when to look again
    world.clock.advance(1)

    assert world.viewers.due(world.clock.monotonic()) == [reader.viewer]
    reader.blocks.close()
    world.viewers.look_again(reader.viewer, 0)  # it has left meanwhile
    assert len(world.viewers) == 0
    assert world.viewers.due(1e9) == []


def test_a_token_that_ends_closes_the_stream(world: World, ctx: RequestContext) -> None:
    reader = Reader(world, ctx, token_ends=world.clock.monotonic() + 5)
    reader.read()

    world.pass_time(4.9)
    assert reader.read() == b""
    world.pass_time(0.1)

    assert states(reader.read()) == ["closing"]


def test_a_token_that_ends_is_noticed_though_a_slow_reader_is_always_in_the_middle_of_a_block(world: World) -> None:
    def flood(run: Any) -> Iterator[Event]:
        while True:
            yield chunk("x")
            gevent.sleep(0.001)

    world.handler(flood, "flood")
    ctx = world.submit(mode="flood")
    world.settle()
    reader = Reader(world, ctx, token_ends=world.clock.monotonic() + 5)
    seen = b""

    for block in reader.blocks:  # each takes longer than the janitor's rounds are apart
        seen += block or b""
        if block:
            world.pass_time(1.5)
        world.settle()
        assert world.clock.monotonic() < reader.viewer.opened + 5 + 5

    assert states(seen)[-1] == "closing"
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_a_write_that_takes_no_bytes_is_cut_and_one_that_goes_on_is_not(world: World) -> None:
    def flood(run: Any) -> Iterator[Event]:
        yield chunk("x" * (3 * SLICE))
        gevent.sleep(1000)

    world.handler(flood, "flood")
    ctx = world.submit(mode="flood")
    world.settle()
    reader = Reader(world, ctx)
    cuts: list[str] = []
    reader.viewer.connection = SimpleNamespace(cut=lambda: cuts.append(reader.viewer.end_reason))

    for _ in range(3):  # each slice takes its time, the whole takes longer than the limit
        assert len(next(reader.blocks) or b"") == SLICE
        world.pass_time(59)
    assert cuts == []
    world.pass_time(1)

    assert cuts == ["stalled"]
    reader.blocks.close()
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_an_eleventh_viewer_is_refused_and_a_place_is_free_again(world: World, ctx: RequestContext) -> None:
    readers = [Reader(world, ctx) for _ in range(10)]
    for reader in readers:
        reader.read()

    with pytest.raises(TooManyViewers):
        Reader(world, ctx)

    readers[0].blocks.close()
    Reader(world, ctx)
    for reader in readers:
        reader.blocks.close()


def test_a_viewer_that_lost_the_race_for_the_last_place_gets_nothing_and_comes_again(
    world: World, ctx: RequestContext
) -> None:
    readers = [Reader(world, ctx) for _ in range(11)]

    bodies = [reader.read() for reader in readers]

    assert bodies[10] == ALL
    assert all(body.startswith(b"retry: 2000\nid: 1-1") for body in bodies[:10])
    for reader in readers:
        reader.blocks.close()


def test_a_full_worker_refuses_before_the_first_byte(ctx: RequestContext, world: World) -> None:
    world.viewers.limit = 1
    first = Reader(world, ctx)
    first.read()

    with pytest.raises(ServerFull):
        Reader(world, ctx)

    first.blocks.close()


def test_there_is_nothing_behind_the_terminal_event(world: World, ctx: RequestContext) -> None:
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()
    last = world.registry.snapshot(ctx.request_id).last_event

    assert world.service.stream("ann", ctx.request_id, last) is None


def test_a_foreign_request_is_not_found_and_an_own_expired_one_is_gone(world: World) -> None:
    def quick(run: Any) -> Iterator[Event]:
        yield chunk("x")

    world.handler(quick, "quick")
    ctx = world.submit(mode="quick")
    world.finished()

    with pytest.raises(NotFound):
        world.service.stream("bob", ctx.request_id, START)
    world.pass_time(300)
    with pytest.raises(Gone):
        world.service.stream("ann", ctx.request_id, START)
    with pytest.raises(NotFound):
        world.service.stream("bob", ctx.request_id, START)
    world.pass_time(3600)
    with pytest.raises(NotFound):
        world.service.stream("ann", ctx.request_id, START)
