"""Where Redis is: each kind of address is read, a wrong one is refused in one line, a password is never shown."""

from __future__ import annotations

import pytest

from assistant.clock import Clock
from assistant.config import ConfigError, Settings
from assistant.extension import build_registry
from assistant.registry.redis.connection import Store, parse
from assistant.registry.redis.rates import limiter_storage


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "service"),
    [
        ("redis://cache:6380/2", "plain", (("cache", 6380),), ""),
        ("rediss://ann:pw@cache/0", "plain", (("cache", 6379),), ""),
        ("unix:///run/redis.sock?db=1", "plain", (), ""),
        ("redis+sentinel://:pw@a:1,b:2/main/3", "sentinel", (("a", 1), ("b", 2)), "main"),
        ("redis+sentinel://a/main", "sentinel", (("a", 26379),), "main"),
        ("rediss+cluster://ann:pw@a:1,[::1]:2", "cluster", (("a", 1), ("::1", 2)), ""),
    ],
)
def test_each_kind_of_address(url: str, kind: str, hosts: tuple[tuple[str, int], ...], service: str) -> None:
    address = parse(url)

    assert (address.kind, address.hosts, address.service) == (kind, hosts, service)


@pytest.mark.parametrize("url", ["postgres://x", "redis+sentinel://a", "redis://h:port/0", "redis+sentinel://a/m/x"])
def test_an_address_that_cannot_be_used_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ConfigError, match="ASSISTANT_REGISTRY cannot be used") as refused:
        parse(url)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["redis://ann:hunter2@cache/0", "redis+sentinel://:hunter2@a/main", "redis+cluster://:hunter2@a",
     "wrong://:hunter2@a", "redis://:hunter2@a:port/0"],
)  # fmt: skip
def test_a_password_is_never_shown(url: str) -> None:
    shown = [repr(Settings(registry=url))]
    try:
        address = parse(url)
        shown += [str(address), repr(address), repr(limiter_storage(url, "x"))]
    except ConfigError as refused:
        shown.append(str(refused))

    assert "hunter2" not in "".join(shown)


def test_a_registry_is_made_without_a_connection() -> None:
    registry = build_registry(Settings(registry="redis://127.0.0.1:1/0"), Clock())

    assert registry.shared
    registry.close()


def test_the_waits_of_every_connection_are_bounded() -> None:
    store = Store(parse("redis://127.0.0.1:1/0"))

    for client in (store.commands, store.writing):
        options = client.connection_pool.connection_kwargs
        assert options["socket_timeout"] == 2
        assert options["socket_connect_timeout"] == 1
        assert client.connection_pool.max_connections <= 4
        assert client.connection_pool.timeout == 2
    store.close()
