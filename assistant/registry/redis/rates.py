"""SharedCounters: the counters of request rates in Redis, for flask-limiter."""

from __future__ import annotations

from typing import Any

from limits.storage import RedisStorage
from redis.exceptions import NoScriptError

from .connection import parse, rates_connections
from .line import Line


class SharedCounters(RedisStorage):
    """The store that comes with `limits`, except that all who count at one moment share one connection: a POST in a loop
    that is behind would wait for one of the pool, and then for its answer. `limits` finds it by its scheme."""

    STORAGE_SCHEME = ["assistant-redis"]  # noqa: RUF012 - so it is declared in the base class

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri, **options)
        self._line = Line(self.storage)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Counts `amount` more in the window that the first count of a key began; how many there are then."""
        try:
            digest = self.lua_incr_expire.sha
            return int(self._line.ask("EVALSHA", digest, 1, self.prefixed_key(key), expiry, amount))
        except NoScriptError:  # the base class sends it first
            return super().incr(key, expiry, amount)


def limiter_storage(url: str, prefix: str) -> dict[str, Any] | None:
    """How flask-limiter counts in the same Redis: its `storage_uri` and `storage_options`; None for a cluster, where each
    worker counts for itself. No password is in them, and Redis need not be there yet."""
    address = parse(url)
    if address.kind == "cluster":
        return None
    options = {"connection_pool": rates_connections(address), "key_prefix": f"{prefix}:rates"}
    return {"storage_uri": f"{SharedCounters.STORAGE_SCHEME[0]}://", "storage_options": options}
