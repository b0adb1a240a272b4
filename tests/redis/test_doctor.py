"""The doctor looks at the store: each fault is planted in a real server, and found."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import redis

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


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:9/0", "redis+sentinel://127.0.0.1:9/main", "redis+cluster://127.0.0.1:9"]
)
def test_a_store_that_is_not_there_is_found(url: str) -> None:
    assert examined(url) == {"redis_unreachable": "fault"}


def test_a_store_that_takes_its_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ping = redis.Redis.ping

    def slowly(client: redis.Redis) -> Any:
        client.execute_command("DEBUG", "SLEEP", "0.1")
        return ping(client)

    monkeypatch.setattr(redis.Redis, "ping", slowly)
    with RedisServer(**{**_GOOD, "enable-debug-command": "yes"}) as server:
        assert examined(server.url) == {"redis_slow": "warning"}


@pytest.mark.parametrize(("version", "found"), [("6.2.14", {"redis_version": "fault"}), ("7.0.0", {}), ("10.1", {})])
def test_a_store_that_is_too_old_is_found(version: str, found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    info = redis.Redis.info
    monkeypatch.setattr(redis.Redis, "info", lambda client: {**info(client), "redis_version": version})
    with RedisServer(**_GOOD) as server:
        assert examined(server.url) == found


def test_a_missing_client_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "redis" or ".registry.redis" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)

    assert examined("redis://127.0.0.1:9/0") == {"redis_client": "fault"}


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
