"""Other ways to reach Redis: a cluster, TLS, a socket. The contract holds there as well; here it is a part of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from assistant.clock import Clock
from assistant.config import Settings
from assistant.protocols import RequestRegistry
from assistant.testing.contract.actions import ActionRules
from assistant.testing.contract.viewers import ViewerRules
from tests.deploy.nginx import free_port
from tests.redis.servers import RedisServer
from tests.redis.settled import Apart

_numbers = count(1)


class _Kind(ViewerRules, ActionRules):
    url: str

    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        return Apart(replace(settings, registry=self.url, redis_prefix=f"kind-{next(_numbers)}"), clock)


class TestCluster(_Kind):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls) -> Iterator[None]:
        with RedisServer(cluster_enabled="yes", cluster_port=free_port()) as node:
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                until = time.monotonic() + 10
                while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):
                    assert time.monotonic() < until
                    time.sleep(0.05)
            cls.url = f"redis+cluster://127.0.0.1:{node.port}"
            yield


class TestSocket(_Kind):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        path = tmp_path_factory.mktemp("socket") / "redis.sock"
        with RedisServer(unixsocket=str(path)):
            cls.url = f"unix://{path}"
            yield
