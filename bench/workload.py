"""Workload: what the clients ask for, and what both servers emit for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import gevent

# Events of a log around the chunks: accepted, running, and the terminal event.
ENVELOPE = 3
# A chunk is a number, by which order is checked, and about as many words as a model sends at once.
WORDS = "token token token"


@dataclass(frozen=True, slots=True)
class Workload:
    """`clients` arrive spread over `ramp` seconds. Each asks once, or again and again for `seconds` when it `loops`.
    A request has `events` chunks, `gap` seconds apart; 0 means one turn of the event loop apart."""

    name: str
    title: str
    clients: int
    events: int
    gap: float
    seconds: float
    loops: bool
    ramp: float = 2.0

    @property
    def log_length(self) -> int:
        """How many events the log of one request holds."""
        return self.events + ENVELOPE


def workloads(clients: int, seconds: float, ramp: float) -> list[Workload]:
    """The two shapes of load: as fast as it goes, and as fast as people read."""
    rate = 20
    return [
        Workload(
            "loop",
            f"{clients:,} users looping: POST, GET, 100 events",
            clients,
            100,
            0.0,
            seconds,
            loops=True,
            ramp=ramp,
        ),
        Workload(
            "paced",
            f"{clients:,} streams at {rate} events/s",
            clients,
            max(1, round(rate * seconds)),
            1 / rate,
            seconds,
            loops=False,
            ramp=ramp,
        ),
    ]


def texts(events: int, gap: float) -> Iterator[str]:
    """The texts of one answer at their moments. A text that is late still gives the others their turn."""
    begin = time.monotonic()
    for number in range(events):
        gevent.sleep(max(0.0, begin + (number + 1) * gap - time.monotonic()) if gap else 0)
        yield f"{number} {WORDS}"
