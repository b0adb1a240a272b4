"""Many at once on one MemoryRegistry: users, writers, readers, stops and sweeps, with nothing in their favour."""

import sys
import time
from collections.abc import Iterator
from random import Random

import pytest

from assistant import sse
from assistant.clock import Clock
from assistant.config import Settings
from assistant.errors import BudgetExceeded, NotFound, RequestClosed, ServerFull, TooManyActive, TooManyViewers
from assistant.models import START, RequestContext, new_request_id
from assistant.registry.memory import MemoryRegistry
from assistant.testing.contract import completed, failed, said, together

_USERS = 6
_REFUSALS = (NotFound, RequestClosed, BudgetExceeded, ServerFull, TooManyActive, TooManyViewers)


@pytest.fixture
def _hurried() -> Iterator[None]:
    """Threads are switched a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_at_once_each_log_is_whole_and_the_books_balance(seed: int) -> None:
    registry = MemoryRegistry(Settings(max_active=20, max_request_events=60, max_viewers=3, retention=0.0), Clock())
    shared: list[str] = []
    faults: list[str] = []
    actors = [_writer(registry, shared, faults, Random(seed * 100 + n), f"user-{n % _USERS}") for n in range(10)]
    actors += [_reader(registry, shared, faults, Random(seed * 100 + n)) for n in range(10)]
    actors += [_sweeper(registry)]

    results = together([actor.__next__ for actor in actors])

    assert results == [None] * len(actors)
    assert faults == []
    assert registry.active() == 0
    registry.sweep()
    assert registry.bytes == 0
    assert not registry.requests_of("user-0")


def _writer(
    registry: MemoryRegistry, shared: list[str], faults: list[str], random: Random, user: str
) -> Iterator[None]:
    """Creates requests, writes and finishes them; two in three it finishes twice."""
    for _ in range(25):
        ctx = RequestContext(new_request_id(0), user, "chat", "Hello", 0, 0, size=10)
        try:
            registry.create(ctx)
        except (TooManyActive, ServerFull):
            time.sleep(0)
            continue
        shared.append(ctx.request_id)
        wrote = 1
        for _ in range(random.randrange(80)):
            try:
                wrote += 1
                if registry.append(ctx.request_id, 1, said("wörd")).seq != wrote:
                    faults.append("a hole in the ids")
            except BudgetExceeded:
                break
            if not random.randrange(5):
                time.sleep(0)
        registry.stop(ctx.request_id, "cancelled")
        registry.finish(ctx.request_id, 1, random.choice((completed(), failed())))
        if random.randrange(3) and not isinstance(_attempted(registry, ctx.request_id), (RequestClosed, NotFound)):
            faults.append("a second end")
    yield


def _attempted(registry: MemoryRegistry, request_id: str) -> Exception | None:
    try:
        registry.finish(request_id, 1, completed())
    except _REFUSALS as problem:
        return problem
    return None


def _reader(registry: MemoryRegistry, shared: list[str], faults: list[str], random: Random) -> Iterator[None]:
    """Follows requests of others from cut to cut until they end or are dropped."""
    for _ in range(60):
        time.sleep(0)
        if shared and (fault := _followed(registry, random.choice(shared[-8:]), random)):
            faults.append(fault)
    yield


def _followed(registry: MemoryRegistry, request_id: str, random: Random) -> str:
    cursor, seen = START, b""
    try:
        for _ in range(200):
            with registry.watch(request_id, lambda: None):
                for _ in range(random.randrange(1, 5)):
                    batch = registry.read(request_id, cursor)
                    seen, cursor = seen + b"".join(batch.frames), batch.cursor
                    if batch.reset:
                        return "a cursor was forgotten"
                    if batch.closed:
                        return _checked(seen)
                    time.sleep(0)
    except _REFUSALS:
        pass
    return _checked(seen, whole=False)


def _checked(seen: bytes, *, whole: bool = True) -> str:
    """What is wrong with what a viewer saw."""
    messages = list(sse.decode([seen]))
    if [message.id for message in messages] != [f"1-{seq}" for seq in range(1, len(messages) + 1)]:
        return "an event was lost, doubled or reordered"
    ends = [index for index, message in enumerate(messages) if message.event in ("complete", "error")]
    return "" if ends == ([len(messages) - 1] if whole else []) else "not exactly one end, or not last"


def _sweeper(registry: MemoryRegistry) -> Iterator[None]:
    for _ in range(200):
        registry.sweep()
        registry.overdue()
        time.sleep(0)
    yield
