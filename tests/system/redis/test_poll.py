"""Polls of one answer may reach any worker, and bring the same as a stream."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from tests.redis.servers import RedisServer
from tests.system.app import expected
from tests.system.client import Client
from tests.system.server import Server
from tests.system.test_poll import followed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shared_redis: RedisServer) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("polls")
    with Server(folder, workers=2, registry=shared_redis.url, redis_prefix="polls", socket_driver=True) as running:
        yield running


def test_an_answer_is_polled_from_any_worker(server: Server) -> None:
    def one(number: int) -> tuple[list[str], str]:
        client = Client(server.base, f"poller{number}")
        request_id = client.submit(f"poll {number}", context={"count": 40, "pause": 0.01})
        events = followed(client, request_id, wait=number % 3)
        return [event["id"] for event in events], events[-1]["data"]["text"]

    jobs = [gevent.spawn(one, number) for number in range(12)]
    gevent.joinall(jobs, timeout=60, raise_error=True)

    for number, job in enumerate(jobs):
        ids, text = job.value
        assert ids == [f"1-{seq}" for seq in range(1, 45)]
        assert text == "".join(expected(f"poll {number}", 40))
