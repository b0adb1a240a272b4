"""`python -m bench.growth`: whether the server grows over many requests. Exits 1 when it does.

Users POST and stream short answers without a pause. Ended requests are kept for a few seconds only, so after the first part
everything that a request took should have come back: the worker's memory is the same from then on.
"""

from __future__ import annotations

import argparse
import sys
import time

from . import clients, report, server
from .measure import tokens_for
from .workload import Shape, Workload

# How long an ended request is kept, and how long its id is remembered; seconds.
_KEPT = {"ASSISTANT_RETENTION": "5", "ASSISTANT_TOMBSTONE": "20"}
_USERS, _EVENTS = 64, 5
# How far a time of the run is split, and how many of these parts come before the memory should be level.
_PARTS, _FIRST = 10, 3
# What the mean of the last parts may be above that of the level ones; a share. Malloc alone moves it by one percent.
_BOUND = 0.03


def main() -> int:
    options = _options()
    server.raise_descriptor_limit()
    cpus = server.pin()
    load = Workload("growth", "", Shape.LOOP, _USERS, _EVENTS, 0.0, options.seconds, 0.5)
    seen: list[tuple[float, int]] = []
    with server.product(_USERS, cpus[0] if cpus else None, _KEPT) as running:
        tally = clients.run(
            running.address,
            load,
            tokens_for(_USERS),
            clients.Hooks(tick=lambda: seen.append((time.perf_counter(), running.rss))),
        )
    means = _means(seen)
    print(report.machine(cpus))
    print(f"{tally.streams:,} requests in {tally.duration:.0f} s, faults: {dict(tally.faults) or 'none'}")
    print("resident memory by tenths of the time, MiB: " + " ".join(f"{one / 2**20:.1f}" for one in means))
    level, last = sum(means[_FIRST : _FIRST + 2]) / 2, sum(means[-2:]) / 2
    print(f"the last two against the {_FIRST + 1}th and {_FIRST + 2}th: {100 * (last / level - 1):+.1f} %")
    return int(bool(tally.faults) or last > level * (1 + _BOUND))


def _means(seen: list[tuple[float, int]]) -> list[float]:
    """The mean of each part of the time; bytes."""
    begin, end = seen[0][0], seen[-1][0]
    parts: list[list[int]] = [[] for _ in range(_PARTS)]
    for moment, rss in seen:
        parts[min(_PARTS - 1, int(_PARTS * (moment - begin) / (end - begin)))].append(rss)
    return [sum(part) / len(part) for part in parts]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long (default 180: over 100,000 requests)")
    options = parser.parse_args()
    if not 10 <= options.seconds <= 3600:
        parser.error("--seconds is from 10 to 3600")
    return options


if __name__ == "__main__":
    sys.exit(main())
