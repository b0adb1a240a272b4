"""One server of each kind for the tests that do not hurt it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis.pair import Pair
from tests.redis.servers import RedisServer


@pytest.fixture(scope="session", params=["valkey", "redis"])
def shared_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with RedisServer(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    """One that is always there, for what does not depend on the kind."""
    with RedisServer("valkey") as running:
        yield running


@pytest.fixture
def pair(valkey: RedisServer) -> Iterator[Pair]:
    made = Pair(valkey.url)
    yield made
    made.close()
