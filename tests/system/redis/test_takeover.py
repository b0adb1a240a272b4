"""F1, F4: a worker that dies or freezes in the middle; another one takes its requests over, once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.redis.servers import RedisServer
from tests.system.app import expected
from tests.system.client import Client
from tests.system.redis.swarm import Follower, Swarm
from tests.system.server import Server

# `make faults` runs them more often and with more requests.
RUNS = int(os.environ.get("FAULT_RUNS") or 1)
REQUESTS = int(os.environ.get("FAULT_REQUESTS") or 60)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, redis_server: RedisServer) -> Iterator[Server]:
    with Server(tmp_path, workers=2, registry=redis_server.url, socket_driver=True, heartbeat=2) as running:
        yield running


def test_a_worker_killed_in_the_middle_leaves_nobody_waiting(server: Server) -> None:
    delays = []
    for run in range(RUNS):
        swarm = Swarm(server.base, REQUESTS, count=100, pause=0.05)
        swarm.wait_streaming()
        gevent.sleep(0.1 * (run % 5))

        server.workers()[run % 2].kill()
        killed = time.monotonic()
        swarm.join(60)

        assert swarm.wrong() == []
        outcomes = swarm.outcomes()
        assert set(outcomes) <= {"completed", "worker_lost"}
        lost = [one.ended_at - killed for one in swarm.followers if one.outcome == "worker_lost" and one.ended_at]
        assert lost, outcomes
        delays += lost
    delays.sort()
    assert delays[int(0.99 * (len(delays) - 1))] <= 5.0, delays[-5:]


def test_a_request_that_may_run_twice_and_was_not_seen_is_started_again(server: Server) -> None:
    swarm = Swarm(server.base, 20, mode="careful", count=20, pause=0.01, think=2.0)
    swarm.wait_streaming(3)

    server.workers()[0].kill()
    swarm.join(60)

    assert swarm.wrong() == []
    assert swarm.outcomes() == {"completed": 20}
    again = [one for one in swarm.followers if one.answer.ids[-1].startswith("2-")]
    assert again
    for one in again:
        states = [m.json().get("state") for m in one.answer.messages if m.event == "status"]
        assert states == ["accepted", "running", "recovering", "running"]


def test_a_frozen_worker_is_taken_over_and_its_late_writes_are_refused(server: Server) -> None:
    swarm = Swarm(server.base, 40, count=300, pause=0.05)
    swarm.wait_streaming()
    frozen = server.workers()[0]

    frozen.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    with gevent.Timeout(30):
        while not all(one.answer.ended for one in swarm.followers if one.outcome == "worker_lost") or not any(
            one.outcome == "worker_lost" for one in swarm.followers
        ):
            gevent.sleep(0.05)
    gevent.sleep(max(0.0, stopped + 12 - time.monotonic()))
    frozen.send_signal(signal.SIGCONT)
    lost = [one for one in swarm.followers if one.outcome == "worker_lost"]
    took = [one.ended_at - stopped for one in lost if one.ended_at]
    swarm.join(60)

    assert lost
    assert max(took) <= 10.0
    assert swarm.wrong() == []
    assert set(swarm.outcomes()) == {"completed", "worker_lost"}
    for one in lost:  # whatever the zombie did since, the log is what was seen
        assert one.client.read(one.request_id).messages == one.answer.messages


def test_a_cancel_during_a_takeover_ends_as_a_cancel(server: Server) -> None:
    followers = [Follower(server.base, number, mode="hold") for number in range(8)]
    jobs = [gevent.spawn(one.run) for one in followers]
    with gevent.Timeout(20):
        while not all(len(one.answer.messages) >= 3 for one in followers):
            gevent.sleep(0.02)

    server.workers()[0].send_signal(signal.SIGSTOP)
    for one in followers:
        try:
            one.client.cancel(one.request_id)
        except OSError:
            continue
    server.workers()[0].kill()
    gevent.joinall(jobs, timeout=40, raise_error=True)

    assert {one.outcome for one in followers} <= {"cancelled", "worker_lost"}
    assert sum(one.outcome == "cancelled" for one in followers) >= 4
    for one in followers:
        assert sum(m.event in ("complete", "error") for m in one.answer.messages) == 1


def test_the_last_worker_of_all_is_taken_over_by_its_successor(tmp_path: Path, redis_server: RedisServer) -> None:
    with Server(tmp_path, workers=1, registry=redis_server.url, heartbeat=2) as server:
        follower = Follower(server.base, 1, count=400)
        job = gevent.spawn(follower.run)
        with gevent.Timeout(20):
            while len(follower.answer.messages) < 5:
                gevent.sleep(0.02)

        server.worker().kill()
        killed = time.monotonic()
        job.join(30)

        assert follower.outcome == "worker_lost"
        assert follower.wrong() == []
        assert time.monotonic() - killed < 10


def test_the_partial_answer_is_kept(server: Server) -> None:
    client, answers = Client(server.base), []
    ids = [client.submit("keep", context={"count": 400, "pause": 0.02}) for _ in range(30)]  # on both workers
    gevent.sleep(1.0)

    server.workers()[0].kill()
    with gevent.Timeout(20):
        while not answers:
            records = [client.record(one).json() for one in ids]
            answers = [one for one in records if one["status"] == "failed"]
            gevent.sleep(0.1)

    truth = "".join(expected("keep", 400))
    for record in answers:
        assert record["result"]["code"] == "worker_lost"
        assert record["result"]["retryable"] is True
        assert len(record["result"]["partial"]["text"]) > 20
        assert truth.startswith(record["result"]["partial"]["text"])
    for one in ids:
        client.cancel(one)
