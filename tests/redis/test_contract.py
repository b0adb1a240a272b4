"""RedisRegistry keeps the contract on each kind of server, within one process and between two."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from assistant.clock import Clock
from assistant.config import Settings
from assistant.protocols import RequestRegistry
from assistant.testing import RegistryContract
from tests.redis.servers import RedisServer
from tests.redis.settled import Apart, Settled

_numbers = count(1)


class _OnRedis(RegistryContract):
    @pytest.fixture(autouse=True)
    def _server(self, shared_redis: RedisServer) -> None:
        self.server = shared_redis

    def given(self, settings: Settings) -> Settings:
        return replace(settings, registry=self.server.url, redis_prefix=f"contract-{next(_numbers)}")


class TestRedisRegistry(_OnRedis):
    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        return Settled(self.given(settings), clock, moment=clock.now)


class TestApart(_OnRedis):
    """The owner in one process, everybody else in another."""

    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        return Apart(self.given(settings), clock)
