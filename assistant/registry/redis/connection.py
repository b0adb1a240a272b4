"""Store: the few connections of one process to Redis, with a deadline on every wait.

One for scripts, one for reading logs, one for the writer and two for all else, whatever the number of viewers; the
subscription has its own (listener.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.cluster
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel

from ...config import ConfigError
from ...errors import StoreUnavailable
from .cluster import Late
from .line import Line

# How long a connection may take to come up, and an answer to come; seconds. No command of ours blocks in Redis.
CONNECT, ANSWER = 1.0, 2.0
# Connections for what this process asks for itself, and for counting rates.
_COMMANDS, _RATES = 2, 3
# How long a client should wait before it tries again; seconds.
RETRY_AFTER = 2.0
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is. Its text never shows a password."""

    kind: str  # plain, sentinel or cluster
    url: str = field(repr=False)
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts) or "a socket"


def parse(url: str) -> Address:
    """Reads redis://, rediss://, unix://, and the same with `+sentinel` (hosts/service/db) or `+cluster` (hosts).
    Raises ConfigError, which does not show the password."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError(f"{parts.scheme}:// is none of {', '.join(f'{name}://' for name in _SCHEMES)}")
        scheme, _, kind = parts.scheme.partition("+")
        if scheme == "unix":
            return Address("plain", url)
        login, _, places = parts.netloc.rpartition("@")
        hosts = tuple(_host(place, 26379 if kind == "sentinel" else 6379) for place in places.split(","))
        if not kind:
            redis.ConnectionPool.from_url(url)  # connects to nothing, and finds what is wrong
            return Address("plain", url, hosts)
        options: dict[str, Any] = dict(parse_qsl(parts.query))
        name, _, password = login.partition(":")
        options |= {"username": unquote(name) or None, "password": unquote(password) or None}
        if scheme == "rediss":
            options["ssl"] = True
        path = [piece for piece in parts.path.split("/") if piece]
        if kind == "sentinel":
            if not path:
                raise ValueError("the name of the service is missing: redis+sentinel://host:26379/mymaster")
            options["db"] = int(path[1]) if len(path) > 1 else 0
            return Address("sentinel", url, hosts, path[0], options)
        return Address("cluster", url, hosts, options=options)
    except (ValueError, TypeError) as problem:
        raise ConfigError(f"ASSISTANT_REGISTRY cannot be used: {problem}") from None


def _host(place: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{place}")
    return parts.hostname or "localhost", parts.port or port


class Store:
    """Clients for one address. `line` is for scripts and `reading` for logs, both for many at once; `commands` is for what a
    process asks for itself, `writing` for the one that flushes."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.up = True  # what the newest attempt said; while False commands fail at once
        self.commands: Any = _client(address, _COMMANDS)
        self.writing: Any = _client(address, 1)
        self._asking: Any = _client(address, 1)
        self._looking: Any = _client(address, 1)
        self.line, self.reading = Line(self._asking), Line(self._looking)

    def subscription(self) -> Any:
        """A connection for messages, outside the pools."""
        return _client(self.address, 1)

    def failed(self, problem: Exception) -> StoreUnavailable:
        """What a failure of Redis is to the other parts."""
        if isinstance(problem, (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError)):
            self.forget()  # after a failover the next connection goes to the new master
        return StoreUnavailable(retry_after=RETRY_AFTER)

    def forget(self) -> None:
        """Drops idle connections, so that the next ones are made anew."""
        for client in (self.commands, self.writing, self._asking, self._looking):
            if self.address.kind != "cluster":
                client.connection_pool.disconnect(inuse_connections=False)

    def close(self) -> None:
        for client in (self.commands, self.writing, self._asking, self._looking):
            client.close()
            if self.address.kind != "cluster":
                client.connection_pool.disconnect()


def rates_connections(address: Address) -> Any:
    """The connections by which rates are counted. A count that takes long is not waited for: see web/limits.py."""
    return _client(address, _RATES, CONNECT).connection_pool


def _client(address: Address, connections: int, answer: float = ANSWER) -> Any:
    options: dict[str, Any] = {
        "socket_timeout": answer,
        "socket_connect_timeout": CONNECT,
        "maint_notifications_config": MaintNotificationsConfig(
            enabled=False
        ),  # a hosted service's own, and a command more
        # a retry only where nothing can have come of the first try, or where repeating changes nothing: all scripts here
        "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 2, (redis.ConnectionError,)),
    }
    if not address.url.startswith("unix"):
        options["socket_keepalive"] = True
    if address.kind == "cluster":
        return _cluster(address, connections, options)
    if address.kind == "sentinel":
        sentinels: Any = Sentinel
        sentinel = sentinels(list(address.hosts), sentinel_kwargs=_for_sentinels(options, address), **options)
        return sentinel.master_for(address.service, max_connections=connections, **options, **address.options)
    pool = redis.BlockingConnectionPool.from_url(address.url, max_connections=connections, timeout=ANSWER, **options)
    return redis.Redis(connection_pool=pool)


def _cluster(address: Address, connections: int, options: dict[str, Any]) -> Any:
    """With pools that let wait: its own refuse, so that many who read at once would find it unavailable. One connection
    more is for its own questions, while the others are in use."""
    node: Any = redis.cluster.ClusterNode
    nodes = [node(host, port) for host, port in address.hosts]
    given = {name: value for name, value in address.options.items() if name != "ssl"}
    scheme = "rediss" if "ssl" in address.options else "redis"
    made: Any = redis.RedisCluster
    given |= {"connection_pool_class": redis.BlockingConnectionPool, "timeout": ANSWER}
    url = f"{scheme}://{nodes[0].host}:{nodes[0].port}"  # only with one it takes another pool
    return Late(lambda: made(url=url, startup_nodes=list(nodes), max_connections=connections + 1, **options, **given))


def _for_sentinels(options: dict[str, Any], address: Address) -> dict[str, Any]:
    known = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    password = address.options.pop("sentinel_password", None)
    return {**known, "password": password} if password else known


__all__ = ["ANSWER", "Address", "RedisError", "Store", "parse", "rates_connections"]
