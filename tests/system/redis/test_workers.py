"""Several real workers over one Redis: any of them answers for any request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.redis.servers import RedisServer
from tests.system.app import expected
from tests.system.client import Answer, Client
from tests.system.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shared_redis: RedisServer) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("workers")
    with Server(folder, workers=2, registry=shared_redis.url, redis_prefix="workers", socket_driver=True) as running:
        yield running


def test_every_stream_is_whole_whichever_worker_serves_it(server: Server) -> None:
    def one(number: int) -> tuple[Answer, str]:
        client = Client(server.base, f"user{number}")
        request_id = client.submit(f"prompt {number}", context={"count": 40, "pause": 0.01})
        answer = client.read(request_id)
        return answer, client.record(request_id).headers["Assistant-Instance"]

    jobs = [gevent.spawn(one, number) for number in range(40)]
    gevent.joinall(jobs, timeout=60, raise_error=True)

    for number, job in enumerate(jobs):
        answer, _ = job.value
        assert answer.text == "".join(expected(f"prompt {number}", 40))
        assert answer.ids == [f"1-{seq}" for seq in range(1, 45)]
        assert answer.connections == 1
    assert len({job.value[1] for job in jobs}) == 2
