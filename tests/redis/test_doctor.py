"""The doctor looks at the store: each fault is planted in a real server, and found."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.cli.doctor import store
from assistant.cli.doctor.findings import Findings
from tests.redis.servers import RedisServer

_GOOD = {"appendonly": "yes", "maxmemory-policy": "noeviction"}


def examined(url: str) -> dict[str, str]:
    """The findings: their codes and levels."""
    findings = Findings()
    store.examine(url, findings)
    return {one.code: one.level for one in findings.found}


def test_a_good_store_is_not_spoken_of() -> None:
    with RedisServer(**_GOOD) as server:
        assert examined(server.url) == {}


@pytest.mark.parametrize(
    ("options", "code", "level"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "redis_eviction", "fault"),
        ({"appendonly": "no"}, "redis_persistence", "warning"),
        ({"timeout": "60"}, "redis_timeout", "fault"),
    ],
)
def test_a_planted_fault_of_the_store_is_found(options: dict[str, Any], code: str, level: str) -> None:
    with RedisServer(**{**_GOOD, **options}) as server:
        assert examined(server.url) == {code: level}


@pytest.mark.parametrize("timeout", ["0.01", "600"])
def test_a_timeout_that_is_too_short_or_too_long_is_found(timeout: str) -> None:
    with RedisServer(**_GOOD) as server:
        assert examined(f"{server.url}?socket_timeout={timeout}") == {"redis_socket_timeout": "fault"}


def test_a_store_that_is_not_there_is_found() -> None:
    assert examined("redis://127.0.0.1:9/0") == {"redis_unreachable": "fault"}


def test_a_wrong_password_is_found_and_no_password_told() -> None:
    with RedisServer(requirepass="the-right-one", **_GOOD) as server:
        findings = Findings()
        store.examine(server.url.replace("the-right-one", "a-wrong-one"), findings)

    (found,) = findings.found
    assert found.code == "redis_unreachable"
    assert "wrong-one" not in str(found)


def test_a_frozen_store_is_found_in_time() -> None:
    with RedisServer(**_GOOD) as server:
        server.freeze()
        try:
            assert examined(server.url) == {"redis_unreachable": "fault"}
        finally:
            server.thaw()
