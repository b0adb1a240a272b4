"""Faults that come together: something slow or lost in the middle of something else."""

from __future__ import annotations

import time
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from redis.connection import Connection
from redis.exceptions import ConnectionError as Lost

from assistant.errors import StoreUnavailable
from assistant.models import START, Cursor
from assistant.protocols import IdempotencyKey
from assistant.registry.redis import RedisRegistry
from assistant.testing.contract import Recorder, completed, said, together
from tests.redis.pair import SOON, Pair, cut, ids, until
from tests.redis.servers import RedisServer


class Slow:
    """Answers of one script come only when they are let go."""

    def __init__(self, registry: RedisRegistry, name: str) -> None:
        scripts = registry.process.scripts
        self.asked, self.free, asked = Flag(), Flag(), scripts._asked

        def slow(script: str, arguments: Any) -> Any:
            answer = asked(script, arguments)
            if script == name:
                self.asked.set()
                assert self.free.wait(SOON)
            return answer

        scripts._asked = slow  # type: ignore[method-assign]


def beats(registry: RedisRegistry, times: int = 3) -> None:
    """Heartbeats that compare what Redis counts as this process's."""
    for _ in range(times):
        registry._process._renewed(100)
        registry._process.writer.flush()


def lose_post(pair: Pair, key: str) -> None:
    """A POST that Redis has taken, and whose answer does not come."""
    scripts = pair.one.process.scripts
    asked = scripts._asked

    def lossy(name: str, arguments: Any) -> Any:
        asked(name, arguments)
        raise Lost("cut")

    scripts._asked = lossy  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        pair.scene.post(key)
    scripts._asked = asked  # type: ignore[method-assign]


def test_a_post_whose_answer_takes_long_is_not_taken_for_a_lost_one(pair: Pair) -> None:
    slow, made = Slow(pair.one, "create"), []
    job = Thread(target=lambda: made.append(pair.scene.create()))
    job.start()
    assert slow.asked.wait(SOON)

    beats(pair.one)
    slow.free.set()
    job.join(SOON)

    pair.scene.finish(made[0])
    assert ids(pair.two, made[0]) == ["1-1", "1-2"]


def test_a_takeover_whose_answer_takes_long_is_taken_over_once(pair: Pair) -> None:
    mine, found = pair.scene.create(), []
    pair.die(pair.one)
    slow = Slow(pair.two, "reap")
    job = Thread(target=lambda: found.extend(pair.two.reap()))
    job.start()
    assert slow.asked.wait(SOON)

    beats(pair.two)
    slow.free.set()
    job.join(SOON)

    assert [orphan.ctx.attempt for orphan in found] == [2]
    assert pair.third().reap() == []
    pair.two.finish(mine, 2, completed())
    assert ids(pair.two, mine) == ["1-1", "2-1"]


def test_a_key_that_was_answered_with_a_lost_post_has_its_end(pair: Pair) -> None:
    pair.one.process.writer.stop()  # what it would clean up comes late
    pair.one._process._threads[0].join(SOON)
    lose_post(pair, "same")
    again = pair.two.create(pair.scene.context(), IdempotencyKey("same", b"body"))

    beats(pair.one)
    (orphan,) = pair.two.reap()

    assert again.replayed
    assert orphan.ctx.request_id == again.ctx.request_id
    pair.two.finish(orphan.ctx.request_id, orphan.ctx.attempt, completed())
    assert ids(pair.one, again.ctx.request_id) == ["1-1", "2-1"]


def test_viewers_of_a_takeover_that_failed_see_the_next_one(pair: Pair) -> None:
    mine = pair.scene.create()
    pair.scene.say(mine)
    with pair.two.watch(mine, lambda: None):
        pair.die(pair.one)
        commands = pair.two.process.store.commands
        commands.pipeline, real = cut, commands.pipeline
        with pytest.raises(StoreUnavailable):
            pair.two.reap()
        commands.pipeline = real
        pair.two.flush()
        third = pair.third()
        (orphan,) = third.reap()
        third.finish(mine, orphan.ctx.attempt, completed())

        until(lambda: ids(pair.two, mine) == ["1-1", "1-2", "3-1"])


def test_a_takeover_that_fails_halfway_leaves_no_request_without_an_end(pair: Pair) -> None:
    some = {pair.scene.create() for _ in range(4)}
    pair.die(pair.one)
    mirrors = pair.two.process.mirrors
    real, calls = mirrors.repair, []

    def failing(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 3:
            raise Lost("cut")
        real(*given)

    mirrors.repair = failing  # type: ignore[method-assign]
    first = pair.two.reap()
    pair.two.flush()
    second = pair.two.reap()

    taken = [orphan.ctx.request_id for orphan in (*first, *second)]
    assert sorted(taken) == sorted(some)
    assert len(first) == len(second) == 2
    assert set(taken) == set(pair.two.process.held)


def test_a_stop_that_comes_before_its_request_is_heard(pair: Pair) -> None:
    slow, made, inbox = Slow(pair.one, "create"), [], Recorder()
    job = Thread(target=lambda: made.append(pair.scene.create()))
    job.start()
    assert slow.asked.wait(SOON)
    (request_id,) = [one.ctx.request_id for one in pair.two.requests_of("ada")]

    pair.two.stop(request_id, "cancelled")
    pair.one.settle_inbox()
    slow.free.set()
    job.join(SOON)
    pair.one.own(request_id, inbox)

    assert inbox.stops == ["cancelled"]


def test_a_stop_that_a_fenced_owner_took_reaches_the_real_one(pair: Pair) -> None:
    mine, inbox = pair.scene.create(), Recorder()
    pair.die(pair.one)
    pair.two.reap()
    pair.two.own(mine, inbox)

    pair.one.stop(mine, "cancelled")  # it does not know yet that it is none
    pair.one.flush()
    pair.two.settle_inbox()

    assert inbox.stops == ["cancelled"]


def test_a_viewer_that_comes_again_at_once_is_counted(pair: Pair) -> None:
    mine = pair.scene.create()
    writer = pair.two.process.writer
    with pair.two.watch(mine, lambda: None):
        writer.flush()
        writer.stop()
        pair.two._process._threads[0].join(SOON)
    with pair.two.watch(mine, lambda: None):  # asked at once, while the leaving is still on its way
        writer.flush()

        assert pair.one.snapshot(mine).viewers == 1
    writer.flush()
    assert pair.one.snapshot(mine).viewers == 0


def test_a_viewer_that_came_while_redis_was_away_is_counted_later(pair: Pair) -> None:
    mine = pair.scene.create()
    store = pair.one.process.store
    pair.silence(pair.one)
    store.up = False
    with pair.one.watch(mine, lambda: None):
        store.up = True
        pair.one.flush()

        assert pair.two.snapshot(mine).viewers == 1


def test_what_is_gone_in_part_holds_no_place_of_its_process(pair: Pair, valkey: RedisServer) -> None:
    mine = pair.scene.create()
    with valkey.client() as client:
        client.delete(f"{pair.tag}:m:{mine}")
        pair.die(pair.one)
        own = f"{pair.tag}:own:{pair.two.process.name}"
        client.sadd(own, mine)  # as after a takeover whose request was lost before it was read

        beats(pair.two)

        assert client.scard(own) == 0


def test_what_a_process_took_over_is_listed_as_long_as_it_may_run(pair: Pair, valkey: RedisServer) -> None:
    mine = pair.scene.create()
    pair.die(pair.one)
    with valkey.client() as client:
        own = f"{pair.tag}:own:{pair.two.process.name}"
        assert client.ttl(own) == -2

        pair.two.reap()

        assert client.pttl(own) >= client.pttl(f"{pair.tag}:m:{mine}") - 1000 > 0


def test_a_record_that_has_ended_has_its_result(pair: Pair) -> None:
    mine = pair.scene.create()
    with pair.two.watch(mine, lambda: None):
        pair.two._process.listener.stopped = True  # nothing is heard here any more
        pair.two._process._threads[1].join(SOON)
        pair.scene.finish(mine)

        assert pair.two.snapshot(mine).status.ended
        assert pair.two.result(mine) is not None


def test_many_who_look_at_once_are_not_refused_though_each_turn_takes_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [pair.scene.create(f"user-{number % 50}") for number in range(200)]
    real = Connection.send_packed_command

    def behind(self: Connection, *given: Any, **named: Any) -> Any:
        time.sleep(0.05)  # as in a loop that is behind: every answer waits for its turn
        return real(self, *given, **named)

    pair.two.ping()
    monkeypatch.setattr(Connection, "send_packed_command", behind)
    logs = together([lambda one=one: pair.two.read(one, START).cursor for one in some])  # type: ignore[misc]

    assert logs == [Cursor(1, 1)] * 200


def test_a_log_that_redis_cannot_take_keeps_no_other_from_being_written(pair: Pair) -> None:
    broken, fine = pair.scene.create(), pair.scene.create()
    commands = pair.one.process.store.commands
    stream = pair.one.process.scripts.key("s", broken)
    commands.delete(stream)
    commands.set(stream, "no stream any more")

    RedisRegistry.append(pair.one, broken, 1, said("one"))
    RedisRegistry.append(pair.one, fine, 1, said("two"))
    pair.one.process.writer.flush()

    assert ids(pair.two, fine) == ["1-1", "1-2"]
    commands.delete(stream)


def test_behind_many_that_were_written_an_event_waits_for_no_other(pair: Pair) -> None:
    writer = pair.one.process.writer
    writer.stop()  # only this test flushes
    pair.one._process._threads[0].join(SOON)
    some = [pair.scene.create(f"user-{number}") for number in range(600)]
    for one in some:
        RedisRegistry.append(pair.one, one, 1, said("one"))
    writer.flush()
    assert ids(pair.two, some[-1]) == ["1-1", "1-2"]
    RedisRegistry.append(pair.one, some[-2], 1, said("two"))
    writer.flush()

    assert ids(pair.two, some[-2]) == ["1-1", "1-2", "1-3"]
