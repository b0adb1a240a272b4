"""What one page of events consists of, apart from any socket."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import orjson
import pytest

from assistant.errors import Gone, NotFound, ServerFull, TooManyViewers
from assistant.events import Event, chunk
from assistant.models import START, Cursor, RequestContext
from assistant.poll import PAGE_BYTES, Page
from tests.world import World


@pytest.fixture
def world() -> World:
    world = World(abandon_timeout=60)

    def hold(run: object) -> Iterator[Event]:
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


def at_once() -> bool:
    return False


def page_of(world: World, ctx: RequestContext, after: Cursor = START) -> Page:
    page: Page = orjson.loads(orjson.dumps(world.service.poll(ctx.user_id, ctx.request_id, after).page(at_once)))
    return page


def ids(page: Page) -> list[str]:
    return [event["id"] for event in page["events"]]


def test_a_page_holds_what_lies_behind_the_cursor_and_says_where_to_go_on(world: World, ctx: RequestContext) -> None:
    first = page_of(world, ctx)
    later = page_of(world, ctx, Cursor(1, 2))

    assert (ids(first), first["next"], first["closed"], first["notices"]) == (["1-1", "1-2", "1-3"], "1-3", False, [])
    assert (ids(later), later["next"]) == (["1-3"], "1-3")


def test_a_page_says_the_same_as_a_stream(world: World, ctx: RequestContext) -> None:
    streamed = [{"id": one.id, "event": one.event, "data": one.json()} for one in world.log(ctx)]

    assert page_of(world, ctx)["events"] == streamed


def test_without_news_it_waits_until_it_is_told_that_time_is_up(world: World, ctx: RequestContext) -> None:
    left = [True, True, False]

    page = world.service.poll("ann", ctx.request_id, Cursor(1, 3)).page(lambda: left.pop(0))

    assert left == []
    assert page == {"events": [], "notices": [], "next": "1-3", "closed": False}


def test_an_append_wakes_it_and_is_its_page(world: World, ctx: RequestContext) -> None:
    poll = world.service.poll("ann", ctx.request_id, Cursor(1, 3))
    woken: list[bool] = []
    poll.wake = lambda: woken.append(True)

    def append() -> bool:
        world.registry.append(ctx.request_id, 1, Event("status", {"state": "running", "ts": 0}))
        return True

    page = poll.page(append)

    assert woken == [True]
    assert (ids(page), page["next"]) == (["1-4"], "1-4")


def test_it_counts_as_a_viewer_while_it_waits_and_leaves_nothing(world: World, ctx: RequestContext) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> bool:
        seen.append((len(world.viewers), world.registry.snapshot(ctx.request_id).viewers))
        return False

    world.service.poll("ann", ctx.request_id, Cursor(1, 3)).page(look)

    assert seen == [(1, 1)]
    assert (len(world.viewers), world.registry.snapshot(ctx.request_id).viewers) == (0, 0)


def test_a_request_that_is_polled_is_not_abandoned(world: World, ctx: RequestContext) -> None:
    for _ in range(5):  # each time shorter than a request may go unwatched, together much longer
        world.pass_time(50)
        page_of(world, ctx)

    assert not page_of(world, ctx)["closed"]


def test_a_cursor_that_names_no_event_brings_a_notice_and_everything(world: World, ctx: RequestContext) -> None:
    page = page_of(world, ctx, Cursor(7, 9))

    assert [notice["state"] for notice in page["notices"]] == ["reset"]
    assert (ids(page), page["next"]) == (["1-1", "1-2", "1-3"], "1-3")


def test_a_notice_ends_the_wait(world: World, ctx: RequestContext) -> None:
    poll = world.service.poll("ann", ctx.request_id, Cursor(1, 3), token_ends=world.clock.monotonic() + 5)

    def wait() -> bool:
        world.pass_time(6)
        return True

    page = poll.page(wait)

    assert [(one["state"], one["reason"]) for one in page["notices"]] == [("closing", "auth_expired")]
    assert (page["events"], page["next"], page["closed"]) == ([], "1-3", False)


def test_the_terminal_event_closes_and_so_does_a_look_behind_it(world: World, ctx: RequestContext) -> None:
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()

    last = page_of(world, ctx, Cursor(1, 3))
    behind = page_of(world, ctx, Cursor(1, 5))

    assert ([event["event"] for event in last["events"]], last["closed"]) == (["status", "complete"], True)
    assert behind == {"events": [], "notices": [], "next": "1-5", "closed": True}


def test_a_long_log_comes_in_pages_that_miss_and_double_nothing() -> None:
    world = World()

    def flood(run: object) -> Iterator[Event]:
        for _ in range(40):
            yield chunk("x" * (PAGE_BYTES // 16))

    world.handler(flood)
    ctx = world.submit()
    world.finished()
    pages, cursor = [], START
    while not pages or not pages[-1]["closed"]:
        pages.append(page_of(world, ctx, cursor))
        cursor = Cursor(*map(int, pages[-1]["next"].split("-")))

    assert len(pages) > 2
    assert [one for page in pages for one in ids(page)] == [message.id for message in world.log(ctx)]
    # one event alone may be larger: the terminal one repeats the text
    assert all(len(orjson.dumps(page)) < 1.1 * PAGE_BYTES for page in pages if len(page["events"]) > 1)


def test_it_is_refused_as_a_stream_is(world: World, ctx: RequestContext) -> None:
    with pytest.raises(NotFound):
        world.service.poll("eve", ctx.request_id, START)
    world.viewers.limit = 0
    with pytest.raises(ServerFull):
        world.service.poll("ann", ctx.request_id, START)


def test_the_cap_of_a_request_counts_polls_and_streams_alike() -> None:
    world = World(max_viewers=1)

    def hold(run: object) -> Iterator[Event]:
        yield chunk("one")
        gevent.sleep(1000)

    world.handler(hold)
    ctx = world.submit()
    world.settle()
    refused: list[type[Exception]] = []

    def while_waiting() -> bool:
        for ask in (world.service.poll, world.service.stream):
            with pytest.raises(TooManyViewers):
                ask("ann", ctx.request_id, START)
            refused.append(TooManyViewers)
        return False

    world.service.poll("ann", ctx.request_id, Cursor(1, 3)).page(while_waiting)
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()

    assert len(refused) == 2


def test_a_place_that_is_lost_in_between_is_an_empty_page(world: World, ctx: RequestContext) -> None:
    poll = world.service.poll("ann", ctx.request_id, START)
    world.viewers.limit = 0

    assert poll.page(at_once) == {"events": [], "notices": [], "next": "0", "closed": False}


def test_an_expired_request_is_gone() -> None:
    world = World()
    ctx = world.submit(mode="chat")
    world.finished()
    world.pass_time(300)

    with pytest.raises(Gone):
        world.service.poll("ann", ctx.request_id, START)
