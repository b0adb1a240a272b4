"""Workload: what the clients ask for, and what all servers emit for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

# Events of a log around the chunks: accepted, running, and the terminal event.
ENVELOPE = 3
# A chunk is a number, by which order is checked, the moment it was due, and about as many words as a model sends at once.
WORDS = "token token token"


# When the work of the clients' coming is done, after the ramp; seconds.
CALM = 1.0


class Shape(Enum):
    """What a client does: streams again and again, streams once, opens a stream that says nothing, or only posts."""

    LOOP = "loop"
    ONCE = "once"
    HOLD = "hold"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Workload:
    """`clients` arrive spread over `ramp` seconds and are served for `seconds`.

    A request has `events` chunks, `gap` seconds apart, from `hold` seconds after its POST on; a gap of 0 means one turn of
    the event loop. Each stream has `viewers`. `probes` more clients post twice a second meanwhile. Of the clients a share
    of `leavers` cuts each stream in its middle and resumes it by cursor, and a share of `slow` ones reads a little at a
    time.
    """

    name: str
    title: str
    shape: Shape
    clients: int
    events: int
    gap: float
    seconds: float
    ramp: float
    hold: float = 0.0
    viewers: int = 1
    probes: int = 0
    leavers: float = 0.0
    slow: float = 0.0

    @property
    def loops(self) -> bool:
        return self.shape in (Shape.LOOP, Shape.POST)

    @property
    def steady(self) -> tuple[float, float] | None:
        """From when to when all have come and none has ended; seconds from the begin. None where there is no such time."""
        begin = self.ramp + CALM
        return (begin, self.seconds) if self.shape is Shape.ONCE and self.gap and begin < self.seconds else None

    @property
    def log_length(self) -> int:
        """How many events the log of one request holds."""
        return self.events + ENVELOPE

    def small(self, clients: int) -> Workload:
        """A few short streams, before what is measured."""
        return replace(self, shape=Shape.ONCE, clients=clients, events=5, gap=0.0, seconds=0.0, ramp=0.2, hold=0.0,
                       viewers=1, probes=0, leavers=0.0, slow=0.0)  # fmt: skip


def workloads(clients: int, seconds: float, ramp: float) -> list[Workload]:
    """All shapes of load, by the number that the first two have in flight."""
    rate = 20
    many = 10 * clients
    return [
        Workload("loop", f"{clients:,} users looping: POST, GET, 100 events", Shape.LOOP, clients, 100, 0.0, seconds, ramp),
        Workload("paced", f"{clients:,} streams at {rate} events/s", Shape.ONCE, clients, max(1, round(rate * seconds)),
                 1 / rate, seconds, ramp),
        Workload("posts", "64 connections posting", Shape.POST, min(64, clients), 0, 0.0, seconds, 0.2),
        Workload("mixed", f"{clients:,} streams at 10 events/s and 100 POST/s", Shape.ONCE, clients,
                 max(1, round(10 * seconds)), 0.1, seconds, ramp, probes=50),
        Workload("idle", f"{many:,} streams that say nothing", Shape.HOLD, many, 0, 0.0, 16.0, many / 600,
                 hold=600),
        Workload("rough", f"{clients:,} users looping, 20 % cut and resume, 10 % read slowly", Shape.LOOP, clients, 100,
                 0.0, seconds, ramp, leavers=0.2, slow=0.1),
        Workload("shared", f"{max(1, clients // 5):,} users looping over a Redis", Shape.LOOP, max(1, clients // 5), 100, 0.0,
                 seconds, ramp),
    ]  # fmt: skip


def texts(events: int, gap: float, hold: float = 0.0) -> Iterator[str]:
    """The texts of one answer at their moments, after `hold` seconds. A late one still gives the others their turn."""
    import gevent

    begin = time.time() + hold
    if hold:
        gevent.sleep(hold)
    for number in range(events):
        due = begin + (number + 1) * gap
        gevent.sleep(max(0.0, due - time.time()) if gap else 0)
        yield text(number, due)


def text(number: int, due: float) -> str:
    """The text with this number, which was due at this moment (seconds since 1970)."""
    return f"{number} {round(due * 1e6)} {WORDS}"
