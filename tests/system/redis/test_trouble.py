"""F6-F10, F43: trouble with Redis. What is promised stays true, and it ends by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import requests

from tests.redis.failover import Failover
from tests.redis.servers import RedisServer
from tests.system.client import Client
from tests.system.redis.swarm import Swarm
from tests.system.server import Server


def serve(folder: Path, redis: RedisServer, **settings: Any) -> Server:
    return Server(folder, workers=2, registry=redis.url, socket_driver=True, heartbeat=2, **settings)


def post(server: Server) -> tuple[int, float]:
    """The status of a POST, and how long it took."""
    began = time.monotonic()
    status = Client(server.base, "prober").post(context={"count": 1}).status_code
    return status, time.monotonic() - began


def until(true: Callable[[], bool], within: float) -> float:
    """How long until it is so. Seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within, "it did not come"
        gevent.sleep(0.05)
    return time.monotonic() - began


def test_a_restart_without_a_disk_ends_every_stream_clearly(tmp_path: Path) -> None:
    with RedisServer() as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 40, count=600, pause=0.05)
        swarm.wait_streaming()

        redis.kill()
        gevent.sleep(0.3)
        status, took = post(server)
        redis.start()
        back = time.monotonic()
        swarm.join(30)

        assert (status, took <= 2.0) == (503, True), took
        assert swarm.outcomes() == {"store_lost": 40}
        assert swarm.wrong() == []
        assert swarm.after(back, 1.0) <= 5.0
        assert until(lambda: post(server)[0] == 201, 10) <= 10


def test_a_restart_with_a_disk_loses_nothing(tmp_path: Path) -> None:
    with RedisServer(appendonly="yes", appendfsync="always") as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 40, count=120, pause=0.05)
        swarm.wait_streaming()

        redis.kill()
        gevent.sleep(1.0)
        redis.start()
        swarm.join(60)

        assert swarm.outcomes() == {"completed": 40}
        assert swarm.wrong() == []


def test_a_pause_of_ten_seconds_loses_no_stream(tmp_path: Path) -> None:
    with RedisServer() as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 40, count=100, pause=0.05)
        swarm.wait_streaming()

        with redis.client() as client:
            client.execute_command("CLIENT", "PAUSE", "10000", "ALL")
        gevent.sleep(5)
        alive = [requests.get(f"{server.base}/healthz", timeout=5).status_code for _ in range(10)]
        swarm.join(60)

        assert alive == [200] * 10
        assert swarm.outcomes() == {"completed": 40}
        assert swarm.wrong() == []


def test_an_outage_beyond_patience_sends_viewers_away_and_ends_what_ran(tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        Server(
            tmp_path, "tests.system.impatient:app", workers=2, registry=redis.url, socket_driver=True, heartbeat=2
        ) as server,
    ):
        swarm = Swarm(server.base, 20, count=600, pause=0.05)
        swarm.wait_streaming()

        redis.freeze()
        try:
            until(lambda: all("closing" in one.answer.notices for one in swarm.followers), 30)
            refused = requests.get(
                f"{server.base}/assistant/stream/{swarm.followers[0].request_id}",
                headers=swarm.followers[0].client.headers,
                timeout=5,
            )
            gevent.sleep(2)
        finally:
            redis.thaw()
        back = time.monotonic()
        swarm.join(60)

        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert swarm.outcomes() == {"store_unavailable": 20}
        assert swarm.wrong() == []
        assert swarm.after(back, 1.0) <= 5.0
        for one in swarm.followers:  # one end, the same for whoever looks
            assert one.client.read(one.request_id).messages == one.answer.messages
        assert until(lambda: post(server)[0] == 201, 10) <= 10


def test_a_redis_that_waits_for_its_replicas_is_a_pause(tmp_path: Path) -> None:
    with RedisServer() as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 20, count=60, pause=0.05)
        swarm.wait_streaming()

        with redis.client() as client:
            client.config_set("min-replicas-to-write", "1")
            gevent.sleep(2)
            status, took = post(server)
            client.config_set("min-replicas-to-write", "0")
        swarm.join(30)

        assert status == 503
        assert took <= 5
        assert swarm.outcomes() == {"completed": 20}
        assert swarm.wrong() == []
        assert until(lambda: post(server)[0] == 201, 10) <= 10


def test_a_full_redis_ends_what_runs_and_recovers_by_itself(tmp_path: Path) -> None:
    with RedisServer(maxmemory_policy="noeviction") as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 30, count=600, pause=0.05)
        swarm.wait_streaming()

        with redis.client() as client:
            client.config_set("maxmemory", "1")
            full = time.monotonic()
            swarm.join(30)
            status, took = post(server)
            client.config_set("maxmemory", "512mb")

        assert swarm.outcomes() == {"store_unavailable": 30}
        assert swarm.wrong() == []
        assert swarm.after(full, 1.0) <= 2.0
        assert (status, took <= 2.0) == (503, True)
        assert until(lambda: post(server)[0] == 201, 10) <= 10


def test_evicted_requests_end_clearly_and_the_start_warns(tmp_path: Path) -> None:
    with RedisServer(maxmemory_policy="allkeys-lru") as redis, serve(tmp_path, redis) as server:
        swarm = Swarm(server.base, 30, count=200, pause=0.05)
        swarm.wait_streaming()

        with redis.client() as client:
            for number, key in enumerate(client.scan_iter("{assistant}:[ms]:*")):
                if number % 3:  # of some the hash, of some the stream, of some both
                    client.delete(key)
        gone = time.monotonic()
        swarm.join(60)

        lost = [one for one in swarm.followers if one.outcome == "store_lost"]
        assert len(lost) >= 15
        assert set(swarm.outcomes()) <= {"store_lost", "completed"}
        assert swarm.wrong() == []
        assert max(one.ended_at - gone for one in lost if one.ended_at) <= 5.0
        assert "maxmemory-policy noeviction" in server.log.read_text()


def test_a_failover_to_a_replica_loses_nothing(tmp_path: Path) -> None:
    with Failover() as pair, Server(
        tmp_path, workers=2, registry=pair.url, socket_driver=True, heartbeat=2
    ) as server:  # fmt: skip
        swarm = Swarm(server.base, 30, count=100, pause=0.05)
        swarm.wait_streaming()

        pair.kill_master()
        swarm.join(90)

        assert swarm.outcomes() == {"completed": 30}
        assert swarm.wrong() == []


def test_a_redis_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    redis = RedisServer()
    server = serve(tmp_path, redis)
    try:
        server.start()
        until(lambda: _status(server, "/healthz") == 200, 30)
        until(lambda: _status(server, "/readyz") == 503, 5)
        refused = Client(server.base).post(context={"count": 1})
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["code"] == "store_unavailable"

        redis.start()

        until(lambda: _status(server, "/readyz") == 200, 10)
        assert until(lambda: post(server)[0] == 201, 10) <= 10
        assert "cannot be used" in server.log.read_text()
    finally:
        server.kill()
        redis.kill()


def test_a_wrong_password_is_one_line_without_it(tmp_path: Path) -> None:
    with RedisServer(requirepass="right-secret") as redis:
        server = Server(tmp_path, workers=1, registry=redis.url.replace("right-secret", "wrong-secret"))
        try:
            server.start()
            until(lambda: _status(server, "/healthz") == 200, 30)
            until(lambda: _status(server, "/readyz") == 503, 5)
            gevent.sleep(2)
            log = server.log.read_text()
        finally:
            server.kill()

        lines = [line for line in log.splitlines() if "cannot be used" in line]
        assert len(lines) == 1
        assert "password" in lines[0]
        assert "wrong-secret" not in log


def test_rates_are_counted_by_each_worker_while_redis_is_away(tmp_path: Path) -> None:
    rates = "count=3/minute"
    with RedisServer() as redis, Server(tmp_path, workers=1, registry=redis.url, rates=rates) as server:
        shared = [Client(server.base).post(context={"count": 1}).status_code for _ in range(5)]
        redis.kill()
        gevent.sleep(0.5)
        alone = [Client(server.base, "other").post(context={"count": 1}).status_code for _ in range(5)]
        log = server.log.read_text()

    assert shared == [201, 201, 201, 429, 429]
    assert alone == [503, 503, 503, 429, 429]  # counted here, and refused for the store
    assert log.count("each worker counts for itself") == 1


def _status(server: Server, path: str) -> int:
    try:
        return requests.get(f"{server.base}{path}", timeout=5).status_code
    except requests.RequestException:
        return 0
