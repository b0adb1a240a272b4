"""Request rates in Redis: counted together by all processes, over one connection of each."""

from __future__ import annotations

from itertools import count

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis import Redis

from assistant.registry.redis.rates import SharedCounters, limiter_storage
from assistant.testing.contract import together
from tests.redis.pair import Pair

_numbers = count(1)


def counters(pair: Pair, prefix: str) -> SharedCounters:
    told = limiter_storage(pair.settings.registry, prefix)
    assert told is not None
    storage = storage_from_string(told["storage_uri"], **told["storage_options"])
    assert isinstance(storage, SharedCounters)
    return storage


def test_two_processes_count_together_and_one_count_is_lost_by_nobody(pair: Pair) -> None:
    prefix = f"rates-{next(_numbers)}"
    limiters = [FixedWindowRateLimiter(counters(pair, prefix)) for _ in range(2)]
    rate = parse("20/hour")

    admitted = together([lambda one=one: one.hit(rate, "ann", "chat") for one in limiters * 25])  # type: ignore[misc]

    assert sum(admitted) == 20
    assert limiters[0].hit(rate, "bob", "chat")


def test_a_redis_that_knows_the_script_no_more_is_told_it_again(pair: Pair) -> None:
    storage = counters(pair, f"rates-{next(_numbers)}")

    assert storage.incr("ann", 60) == 1
    Redis.from_url(pair.settings.registry).script_flush()

    assert storage.incr("ann", 60) == 2
    assert storage.get("ann") == 2
