"""Four workers and two servers behind nginx without stickiness: random reconnects, nothing lost, doubled, reordered."""

from __future__ import annotations

import os
from pathlib import Path

from tests.redis.servers import RedisServer
from tests.system.redis.proxy import RoundRobin
from tests.system.redis.swarm import Swarm
from tests.system.server import Server

# `make faults` takes 1,000 requests.
REQUESTS = int(os.environ.get("LOAD_REQUESTS") or 150)


def test_four_workers_behind_a_proxy_and_clients_that_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    with (
        RedisServer() as redis,
        Server(tmp_path, workers=4, registry=redis.url, socket_driver=True) as server,
        RoundRobin(tmp_path / "nginx", [server]) as proxy,
    ):
        swarm = Swarm(proxy.base, REQUESTS, cuts=0.05, count=60, pause=0.05)

        swarm.join(300)

        assert swarm.wrong() == []
        assert swarm.outcomes() == {"completed": REQUESTS}
        assert sum(one.answer.connections for one in swarm.followers) > 2 * REQUESTS


def test_two_servers_on_one_redis_know_each_others_requests(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "nginx")]
    for folder in folders:
        folder.mkdir()
    with (
        RedisServer("redis") as redis,
        Server(folders[0], workers=1, registry=redis.url, socket_driver=True) as one,
        Server(folders[1], workers=1, registry=redis.url, socket_driver=False) as two,
        RoundRobin(folders[2], [one, two]) as proxy,
    ):
        swarm = Swarm(proxy.base, 40, cuts=0.1, count=40, pause=0.03)

        swarm.join(60)

        assert swarm.wrong() == []
        assert swarm.outcomes() == {"completed": 40}
        assert all(server.log.read_text().count("request.created") > 5 for server in (one, two))
