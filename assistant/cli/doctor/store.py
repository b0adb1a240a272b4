"""What is wrong with the Redis that holds the requests."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .findings import Findings

# Longest that the store may take for nothing; seconds.
_SLOW = 0.05
# Bounds of a useful socket timeout: below, a pause of the store is a failure; above, a dead one is waited for; seconds.
_SHORTEST, _LONGEST = 0.5, 10.0


def examine(url: str, findings: Findings) -> None:
    """Adds what is wrong with a Redis of any kind that the server takes. Only asks; changes nothing."""
    try:
        from ...registry.redis.connection import RedisError, Store, parse
    except ModuleNotFoundError:
        findings.fault("redis_client", "the package redis is missing", "pip install 'assistant-server[redis]'")
        return
    _timeouts(url, findings)
    store = Store(parse(url))
    try:
        store.commands.ping()
        began = time.perf_counter()
        store.commands.ping()
        took = time.perf_counter() - began
        info: dict[str, Any] = store.commands.info()
        config = _config(store)
    except (RedisError, OSError, ValueError) as problem:
        findings.fault("redis_unreachable", f"Redis does not answer: {_line(problem)}", "see ASSISTANT_REGISTRY")
        return
    finally:
        store.close()
    _server(info, took, config, findings)


def _server(info: dict[str, Any], took: float, config: dict[str, str], findings: Findings) -> None:
    from ...registry.redis.checks import OLDEST

    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        findings.fault("redis_version", f"Redis {version} is too old", f"Redis {OLDEST[0]} or newer, or Valkey")
    if (policy := info.get("maxmemory_policy", config.get("maxmemory-policy", ""))) not in ("noeviction", ""):
        findings.fault(
            "redis_eviction", f"Redis may drop running requests to make room ({policy})", "maxmemory-policy noeviction"
        )
    if not info.get("aof_enabled"):
        findings.warn(
            "redis_persistence",
            "a restart of Redis loses every request" + ("" if config.get("save") else ", and nothing is saved at all"),
            "appendonly yes, appendfsync everysec",
        )
    if int(config.get("timeout") or 0):
        findings.fault(
            "redis_timeout", f"Redis closes connections that are idle for {config['timeout']} s", "timeout 0"
        )
    if took > _SLOW:
        findings.warn(
            "redis_slow", f"Redis takes {took * 1000:.0f} ms for a PING", "bring it nearer, or see what it does"
        )


def _config(store: Any) -> dict[str, str]:
    """What a managed Redis may not tell is empty."""
    from redis.exceptions import ResponseError

    try:
        told = store.commands.config_get("timeout", "save", "maxmemory-policy")
    except ResponseError:
        return {}
    return {_text(name): _text(value) for name, value in told.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _timeouts(url: str, findings: Findings) -> None:
    for name, values in parse_qs(urlsplit(url).query).items():
        if "timeout" in name and not _SHORTEST <= float(values[-1]) <= _LONGEST:
            findings.fault(
                "redis_socket_timeout",
                f"{name}={values[-1]} in ASSISTANT_REGISTRY: a pause is a failure, or a dead Redis is waited for",
                f"leave it out, or {_SHORTEST:g} to {_LONGEST:g}",
            )


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
