"""What is wrong with the Redis that holds the requests."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .findings import Findings

# Longest that the store may take for nothing, and that the doctor waits for it; seconds.
_SLOW, _PATIENCE = 0.05, 2.0
# Bounds of a useful socket timeout: below, a pause of the store is a failure; above, a dead one is waited for; seconds.
_SHORTEST, _LONGEST = 0.5, 10.0
_OLDEST = (6, 2)


def examine(url: str, findings: Findings) -> None:
    """Adds what is wrong. Only asks; changes nothing."""
    try:
        import redis
    except ModuleNotFoundError:
        findings.fault("redis_client", "the package redis is missing", "pip install 'assistant-server[redis]'")
        return
    _timeouts(url, findings)
    client = redis.Redis.from_url(
        url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, decode_responses=True, retry=None
    )
    try:
        client.ping()
        began = time.perf_counter()
        client.ping()
        took = time.perf_counter() - began
        info: dict[str, Any] = client.info()
    except (redis.RedisError, OSError, ValueError) as problem:
        findings.fault("redis_unreachable", f"Redis does not answer: {_line(problem)}", "see ASSISTANT_REGISTRY")
        return
    finally:
        client.close()
    _server(info, took, _config(url, redis), findings)


def _server(info: dict[str, Any], took: float, config: dict[str, str], findings: Findings) -> None:
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        findings.fault("redis_version", f"Redis {version} is too old", "Redis 6.2 or newer, or Valkey")
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


def _config(url: str, redis: Any) -> dict[str, str]:
    """What a managed Redis may not tell is empty."""
    client = redis.Redis.from_url(
        url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, decode_responses=True
    )
    try:
        return dict(client.config_get("timeout", "save", "maxmemory-policy"))
    except redis.RedisError:
        return {}
    finally:
        client.close()


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
