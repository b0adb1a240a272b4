"""What RedisRegistry promises beyond the contract: two processes, a lost answer, a lost message, a takeover."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as Lost

from assistant.errors import Fenced, StoreUnavailable
from assistant.events import status
from assistant.models import START, Cursor
from assistant.registry.redis import RedisRegistry, checks
from assistant.testing.contract import Recorder, completed, said
from tests.redis.pair import SOON, Pair, answers_lost, cut, ids, until
from tests.redis.servers import RedisServer


def test_an_append_whose_answer_was_lost_is_there_once(pair: Pair) -> None:
    mine = pair.scene.create()
    with answers_lost(pair.one, 1):
        RedisRegistry.append(pair.one, mine, 1, said("one"))
        pair.one.flush()
    RedisRegistry.append(pair.one, mine, 1, said("two"))  # joins what is still pending

    pair.scene.finish(mine)

    assert ids(pair.two, mine) == ["1-1", "1-2", "1-3", "1-4"] == ids(pair.one, mine)


def test_an_end_whose_answer_was_lost_is_the_end(pair: Pair) -> None:
    mine = pair.scene.create()

    with answers_lost(pair.one, 1):
        cursor = pair.scene.finish(mine)  # the writer tries again

    assert cursor == Cursor(1, 2)
    assert ids(pair.two, mine) == ["1-1", "1-2"]


def test_a_lost_message_costs_time_and_no_event(pair: Pair) -> None:
    mine, rung = pair.scene.create(), []
    pair.one._process.writer._publish = lambda _: None  # type: ignore[method-assign]

    with pair.two.watch(mine, lambda: rung.append(1)):
        pair.scene.say(mine)
        until(lambda: rung)

        assert ids(pair.two, mine) == ["1-1", "1-2"]


def test_nothing_is_seen_before_redis_has_it(pair: Pair) -> None:
    mine = pair.scene.create()
    pair.one._process.writer.stop()
    pair.one._process._threads[0].join(SOON)

    RedisRegistry.append(pair.one, mine, 1, said())

    assert ids(pair.one, mine) == ["1-1"]
    pair.one.flush()
    assert ids(pair.one, mine) == ["1-1", "1-2"] == ids(pair.two, mine)


def test_what_was_seen_elsewhere_is_known_to_the_owner_before_its_answer_comes(pair: Pair) -> None:
    mine = pair.scene.create()
    with answers_lost(pair.one, 1):
        RedisRegistry.append(pair.one, mine, 1, said())
        pair.one._process.writer.stopped = True
        pair.one.flush()
    seen = pair.two.read(mine, START).cursor

    batch = pair.one.read(mine, seen)

    assert seen == Cursor(1, 2)
    assert not batch.reset
    pair.one.flush()
    assert ids(pair.one, mine) == ["1-1", "1-2"]


def test_a_dead_process_is_taken_over_and_fenced(pair: Pair) -> None:
    mine, inbox = pair.scene.create(), Recorder()
    pair.one.own(mine, inbox)
    pair.scene.say(mine, "seen")
    pair.die(pair.one)

    (orphan,) = pair.two.reap()

    assert (orphan.ctx.request_id, orphan.ctx.attempt, orphan.quiet) == (mine, 2, False)
    with pytest.raises(Fenced):
        pair.scene.finish(mine)
    assert inbox.stops == ["worker_lost"]
    pair.two.finish(mine, 2, completed("seen"))
    assert ids(pair.two, mine) == ["1-1", "1-2", "2-1"] == ids(pair.one, mine)
    assert pair.two.reap() == []


def test_a_takeover_that_could_not_be_read_is_tried_again(pair: Pair) -> None:
    mine = pair.scene.create()
    pair.scene.say(mine)
    pair.die(pair.one)
    process = pair.two.process
    commands = process.store.commands
    commands.pipeline, real = cut, commands.pipeline
    with pytest.raises(StoreUnavailable):
        pair.two.reap()
    commands.pipeline = real

    process._renewed(1)  # two heartbeats find what nobody has here
    process._renewed(1)
    pair.two.flush()
    (orphan,) = pair.two.reap()

    assert (orphan.ctx.request_id, orphan.ctx.attempt) == (mine, 3)
    pair.two.finish(mine, 3, completed())
    assert ids(pair.two, mine) == ["1-1", "1-2", "3-1"]


def test_a_request_that_said_nothing_of_an_answer_is_quiet(pair: Pair) -> None:
    mine = pair.scene.create()
    pair.one.append(mine, 1, status("running"))
    pair.die(pair.one)

    (orphan,) = pair.two.reap()

    assert orphan.quiet


def test_a_stop_that_a_dead_worker_never_heard_reaches_the_next_one(pair: Pair) -> None:
    mine, inbox = pair.scene.create(), Recorder()
    pair.one._process.listener.stopped = True
    pair.die(pair.one)
    pair.two.stop(mine, "cancelled")

    pair.two.reap()
    pair.two.own(mine, inbox)

    assert inbox.stops == ["cancelled"]


def test_those_who_watch_go_on_when_their_process_takes_over(pair: Pair) -> None:
    mine, rung = pair.scene.create(), []
    pair.scene.say(mine)

    with pair.two.watch(mine, lambda: rung.append(1)):
        pair.die(pair.one)
        pair.two.reap()
        pair.two.append(mine, 2, status("recovering"))

        assert ids(pair.two, mine) == ["1-1", "1-2", "2-1"]
        assert rung


def test_a_lease_that_runs_out_is_judged_only_by_who_has_been_there_for_one(pair: Pair) -> None:
    pair.scene.create()
    pair.silence(pair.one)
    with_leases = pair.two._process.scripts
    pair.two.ping()
    until(lambda: pair.two._process.pulse._last)
    with_leases._store.commands.zadd(
        with_leases.key("leases"), {pair.one._process.name: 1}
    )  # over, but nobody freed it

    at_first = pair.two.reap()
    pair.two._process.pulse._trusted = 0.0
    later = pair.two.reap()

    assert at_first == []
    assert len(later) == 1


def test_a_post_whose_answer_was_lost_leaves_no_request_behind(pair: Pair) -> None:
    process = pair.one.process
    asked = process.scripts._asked

    def lossy(name: str, arguments: Any) -> Any:
        answer = asked(name, arguments)
        if name == "create":
            raise Lost("cut")
        return answer

    process.scripts._asked = lossy  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable):
        pair.scene.create()

    pair.one.flush()
    assert pair.two.active("ada") == 0
    assert pair.two.requests_of("ada") == []


def test_the_end_frees_everything_in_redis_in_time(pair: Pair, valkey: RedisServer) -> None:
    for _ in range(5):
        pair.scene.ended()
    pair.clock.advance(pair.scene.settings.retention)
    pair.one.sweep()
    pair.clock.advance(pair.scene.settings.tombstone)
    pair.one.sweep()

    with valkey.client() as client:
        left = {key.decode().split(":")[1] for key in client.scan_iter(f"{pair.tag}:*")}
        timeless = [key for key in client.scan_iter(f"{pair.tag}:*") if client.ttl(key) < 0]
    assert left <= {"leases", "seq"}
    assert timeless == []


def test_every_key_has_an_end(pair: Pair, valkey: RedisServer) -> None:
    mine = pair.scene.post("key").ctx.request_id
    pair.scene.propose(mine)
    with pair.two.watch(mine, lambda: None):
        pair.two.stop(mine, "cancelled")
        pair.scene.ended()
        with valkey.client() as client:
            timeless = [key for key in client.scan_iter(f"{pair.tag}:*") if client.ttl(key) < 0]

    assert timeless == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"redis_version": "6.2.1", "maxmemory": 1, "aof_enabled": 1}, "too old"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 1, "aof_enabled": 1}, "noeviction"),
        ({"maxmemory": 0, "aof_enabled": 1}, "no maxmemory"),
        ({"maxmemory": 1, "aof_enabled": 0}, "appendonly"),
    ],
)
def test_what_is_wrong_with_a_redis_is_said_in_one_line(facts: dict[str, Any], said: str) -> None:
    class Client:
        def execute_command(self, *_: str) -> dict[str, Any]:
            return facts

    class Store:
        commands = Client()

    (line,) = checks.findings(Store())  # type: ignore[arg-type]

    assert said in line
    assert "\n" not in line
