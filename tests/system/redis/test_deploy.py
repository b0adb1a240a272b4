"""F3: deploys under load. Viewers go on elsewhere, requests run to their end, nothing is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.redis.servers import RedisServer
from tests.system.redis.proxy import RoundRobin
from tests.system.redis.swarm import Swarm
from tests.system.server import Server

REQUESTS = int(os.environ.get("FAULT_REQUESTS") or 60)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def test_a_reload_under_load_fails_nothing(tmp_path: Path, redis_server: RedisServer) -> None:
    with Server(
        tmp_path, workers=2, registry=redis_server.url, socket_driver=True, heartbeat=2, drain_timeout=20
    ) as server:
        before = server.workers()
        swarm = Swarm(server.base, REQUESTS, count=100, pause=0.05)
        swarm.wait_streaming()

        server.send(signal.SIGHUP)
        swarm.join(60)

        assert swarm.wrong() == []
        assert swarm.outcomes() == {"completed": REQUESTS}
        assert any("draining" in one.answer.notices for one in swarm.followers)
        for worker in before:
            worker.wait(20)
        server.wait_ready()


def test_of_two_servers_behind_a_proxy_one_is_stopped(tmp_path: Path, redis_server: RedisServer) -> None:
    folders = [tmp_path / name for name in ("one", "two", "nginx")]
    for folder in folders:
        folder.mkdir()
    options = {"registry": redis_server.url, "socket_driver": True, "heartbeat": 2, "drain_timeout": 20}
    with (
        Server(folders[0], workers=2, **options) as one,
        Server(folders[1], workers=2, **options) as two,
        RoundRobin(folders[2], [one, two]) as proxy,
    ):
        swarm = Swarm(proxy.base, REQUESTS, count=100, pause=0.05)
        swarm.wait_streaming()

        one.send(signal.SIGTERM)
        gevent.sleep(1.5)
        late = Swarm(proxy.base, 20, count=10, pause=0.05)
        swarm.join(60)
        late.join(30)

        assert swarm.wrong() + late.wrong() == []
        assert swarm.outcomes() == {"completed": REQUESTS}
        assert late.outcomes() == {"completed": 20}
        assert one.ended(30) == 0


def test_what_does_not_end_within_the_grace_gets_its_terminal_event(tmp_path: Path, redis_server: RedisServer) -> None:
    with Server(
        tmp_path, workers=2, registry=redis_server.url, socket_driver=True, heartbeat=2, drain_timeout=3
    ) as server:
        swarm = Swarm(server.base, 20, mode="hold")
        swarm.wait_streaming(3)

        server.send(signal.SIGHUP)
        swarm.join(40)

        assert swarm.outcomes() == {"draining": 20}
