"""The queue of the naive server in Redis, as it is written in an afternoon: an XADD for each event, and for each stream a
connection in a blocked XREAD."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import redis
from gevent.queue import Empty

# How long a log is kept; seconds.
_KEPT = 300


class Log:
    """As much of a Queue as the naive server uses."""

    def __init__(self, store: Any, request_id: str) -> None:
        self._store = store
        self._key = request_id
        self._last: bytes = b"0"
        self._read: deque[tuple[str, str]] = deque()

    def put(self, event: tuple[str, str]) -> None:
        name, data = event
        self._store.xadd(self._key, {"name": name, "data": data})
        if name == "complete":
            self._store.expire(self._key, _KEPT)

    def get(self, timeout: float) -> tuple[str, str]:
        """The next event. Raises Empty after `timeout` seconds without one."""
        if not self._read:
            found = self._store.xread({self._key: self._last}, block=round(timeout * 1000))
            if not found:
                raise Empty
            for self._last, fields in found[0][1]:
                self._read.append((fields[b"name"].decode(), fields[b"data"].decode()))
        return self._read.popleft()


def log_in(url: str) -> Callable[[str], Log]:
    """Makes the log of a request in this Redis."""
    # a connection for each stream and each event that is being added: the client's own bound of 100 would be a 500
    store = redis.Redis.from_url(url, max_connections=10_000, socket_timeout=60)
    return lambda request_id: Log(store, request_id)
