"""Cluster: the client of a cluster, with the two habits of the other clients: it is made without asking anybody, and
whatever keeps it from an answer is a RedisError."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from redis.exceptions import ConnectionError, RedisClusterException

# Calls whose answers ask Redis themselves.
_ASKING = ("pipeline", "pubsub")


class Late:
    """What `make` makes, once it is first used, as far as its methods go."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None
        self._turn = Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            try:
                answer = getattr(self._thing(), name)(*given, **named)
            except RedisClusterException as problem:  # no node answers
                raise ConnectionError(str(problem)) from problem
            return Late(lambda: answer) if name in _ASKING else answer

        return call

    def close(self) -> None:
        """Nothing is made for it."""
        if self._made is not None:
            self._made.close()

    def _thing(self) -> Any:
        with self._turn:
            if self._made is None:
                self._made = self._make()
            return self._made
