"""Measure: one workload against one fresh server, as plain numbers."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jwt

from . import clients
from .server import SECRET, Server
from .workload import Workload

# The product, by its registry; it alone keeps accounts.
PRODUCTS = ("assistant", "redis")
# Clients with a few small requests before the measured ones, so that imports and caches are paid.
_WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one latency; milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        ranked = sorted(seconds) or [math.nan]
        p50, p95, p99 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.50, 0.95, 0.99))
        return cls(*(round(1000 * value, 2) for value in (p50, p95, p99, ranked[-1])))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. `largest` is the most bytes the server accounted to one request; None where it keeps no accounts."""

    server: str
    workload: str
    requests: int
    events: int
    faults: dict[str, int]
    post: Latency
    first_byte: Latency
    first_chunk: Latency
    probe: Latency
    delay: Latency
    steady_delay: Latency  # while all streams are open; NaN, as the next, where the workload has no such time
    steady_cpu_per_event: float  # microseconds
    events_per_second: float
    posts_per_second: float
    cpu_per_event: float  # microseconds
    server_cpu: float  # percent of a core
    generator_cpu: float  # percent of a core
    rss_per_stream: float  # KiB that the worker grew by, per stream it served
    largest: int | None


def measure(name: str, make: Callable[[], Server], workload: Workload) -> Measurement:
    """Starts a server, loads it, and stops it."""
    tokens = tokens_for(workload.clients)
    with make() as server:
        clients.run(server.address, workload.small(min(_WARM_UP, workload.clients)), tokens[:_WARM_UP])
        rss = peak = server.rss

        def clock() -> tuple[float, float]:
            return server.cpu_seconds, time.perf_counter()

        cpu, since = clock()
        left: list[tuple[float, float]] = []  # the clock when silent streams left, by whose work they are not judged
        steady: list[float] = []  # CPU time that the server had used when the steady time began, and when it ended

        def restart_clock() -> None:
            """Streams that hold are not judged by the work of their coming."""
            nonlocal cpu, since
            if workload.hold:
                cpu, since = clock()

        def watch_memory() -> None:
            nonlocal peak
            peak = max(peak, server.rss)

        gc.collect()
        gc.disable()  # a pause here would look like one of the server
        try:
            hooks = clients.Hooks(
                tick=watch_memory,
                opened=restart_clock,
                steady=lambda: steady.append(server.cpu_seconds),
                leaving=lambda: left.append(clock()),
            )
            tally = clients.run(server.address, workload, tokens, hooks)
        finally:
            gc.enable()
        used, until = [*left, clock()][0]
        cpu, lasted = used - cpu, until - since
        largest = server.get("/bench/accounts")["largest"] if name in PRODUCTS else None
    calm = tally.steady_arrivals
    return Measurement(
        server=name,
        workload=workload.name,
        requests=tally.streams,
        events=tally.events,
        faults=dict(tally.faults),
        post=Latency.of(tally.post),
        first_byte=Latency.of(tally.first_byte),
        first_chunk=Latency.of(tally.first_chunk),
        probe=Latency.of(tally.probe),
        delay=Latency.of([late for _, late in tally.arrivals]),
        steady_delay=Latency.of([late for _, late in calm]),
        steady_cpu_per_event=round(1e6 * (steady[1] - steady[0]) / len(calm), 2) if calm else math.nan,
        events_per_second=round(tally.events / tally.duration),
        posts_per_second=round(len(tally.post) / tally.duration),
        cpu_per_event=round(1e6 * cpu / max(1, tally.events), 2),
        server_cpu=round(100 * cpu / lasted, 1),
        generator_cpu=round(100 * tally.cpu, 1),
        rss_per_stream=round((peak - rss) / 1024 / max(1, tally.open or tally.streams), 1),
        largest=largest,
    )


def tokens_for(users: int) -> list[str]:
    """A login for each."""
    return [_token(f"user-{number}") for number in range(users)]


def _token(user: str) -> str:
    """An access token as flask-jwt-extended makes them."""
    now = int(time.time())
    claims = {"sub": user, "type": "access", "fresh": False, "iat": now, "nbf": now, "exp": now + 3600, "jti": user}
    return jwt.encode(claims, SECRET, algorithm="HS256")
