"""The registry in Redis, for many workers and hosts."""

from .lease import free_worker
from .registry import RedisRegistry

__all__ = ["RedisRegistry", "free_worker"]
