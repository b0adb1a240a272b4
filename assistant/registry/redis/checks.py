"""Checks: what is wrong with a Redis for this use, in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from .connection import Store

# Oldest version with everything that the scripts use (flags of scripts came with 7.0; Valkey began behind it).
OLDEST = (7, 0)


def findings(store: Store) -> Iterator[str]:
    """A line for each thing to change; nothing where Redis does not say."""
    facts: Any = _asked(store, "INFO") or {}
    version = str(facts.get("redis_version", ""))
    if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        yield f"Redis {version} is too old: 7.0 or newer is needed, or any Valkey"
    policy = str(facts.get("maxmemory_policy", ""))
    if policy and policy != "noeviction":
        yield f"Redis may evict requests (maxmemory-policy {policy}): set maxmemory-policy noeviction"
    if not int(facts.get("maxmemory", 0) or 0):
        yield "Redis has no maxmemory: set one below the host's memory, so that it refuses before it is killed"
    if facts and not int(facts.get("aof_enabled", 0)):
        yield "Redis would forget all requests with a restart (appendonly no): set appendonly yes, appendfsync everysec"


def _asked(store: Store, *command: str) -> Any:
    try:
        return store.commands.execute_command(*command)
    except RedisError:
        return None
