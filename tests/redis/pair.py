"""Pair: two processes on one Redis, and the faults that tests inject there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from redis.exceptions import ConnectionError as Lost

from assistant import sse
from assistant.config import Settings
from assistant.models import START
from assistant.registry.redis import RedisRegistry
from assistant.testing import FakeClock
from assistant.testing.contract import Scene
from tests.redis.settled import Settled

_numbers = count(1)
# Longest that anything here may take that should come at once; seconds.
SOON = 10.0


def cut(**_: Any) -> Any:
    raise Lost("cut")


class Pair:
    """Two processes on one Redis, and what a test does with them."""

    def __init__(self, url: str) -> None:
        self.settings = settings = Settings(registry=url, redis_prefix=f"pair-{next(_numbers)}")
        self.clock = FakeClock()
        self._further: list[Settled] = []
        self.one = Settled(settings, self.clock, moment=self.clock.now)
        self.two = Settled(settings, self.clock, moment=self.clock.now)
        self.scene = Scene(self.one, self.clock, settings)
        self.tag = f"{{{settings.redis_prefix}}}"

    def third(self) -> Settled:
        """One more process."""
        made = Settled(self.settings, self.clock, moment=self.clock.now)
        self._further.append(made)
        return made

    def close(self) -> None:
        for one in (*self._further, self.two, self.one):
            one.close()

    def silence(self, registry: RedisRegistry) -> None:
        """The process gives no sign of life any more."""
        registry._process.pulse.stop()
        registry._process._threads[-1].join(SOON)

    def die(self, registry: RedisRegistry) -> None:
        """The process is dead for certain, as its master would say; its own parts do not know yet."""
        self.silence(registry)
        self.two._process.scripts.run_anyway("free", registry._process.name)


@contextmanager
def answers_lost(registry: RedisRegistry, times: int) -> Iterator[None]:
    """Redis does what it is asked, and the next `times` answers of pipelines do not arrive."""
    client = registry._process.store.writing
    real, left = client.pipeline, [times]

    def pipeline(**options: Any) -> Any:
        pipe = real(**options)
        execute = pipe.execute

        def lossy(**given: Any) -> Any:
            answer = execute(**given)
            if left[0] > 0:
                left[0] -= 1
                raise Lost("cut")
            return answer

        pipe.execute = lossy
        return pipe

    client.pipeline = pipeline
    try:
        yield
    finally:
        client.pipeline = real


def until(true: Any) -> None:
    ends = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def ids(registry: RedisRegistry, request_id: str) -> list[str]:
    return [message.id for message in sse.decode(registry.read(request_id, START).frames)]
