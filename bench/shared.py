"""`python -m bench.shared`: the same load on the memory registry and on 1, 2 and 4 workers over one Redis.

What an event costs in the workers and in Redis, and how much later it comes. README.md of this folder says how to read it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

import orjson
import psutil

from tests.redis.servers import RedisServer

from . import report
from .measure import Measurement, measure
from .server import GUNICORN, ROOT, SECRET, Server
from .workload import Workload, workloads

# Streams beside the load whose every event is timed.
_PROBES = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement with what only this comparison has: the delay of events in ms, and the CPU of Redis in us an event."""

    load: Measurement
    delays: list[float]
    redis_per_event: float
    redis_cpu: float  # percent of a core


class Workers(Server):
    """All workers of one gunicorn, taken together, with a process beside the load that times events for `seconds`."""

    def __init__(self, environ: Mapping[str, str], seconds: float) -> None:
        super().__init__([*GUNICORN, "-c", str(ROOT / "gunicorn.conf.py"), "bench.product:build()"], environ, None)
        self._seconds = seconds
        self.delays: list[float] = []

    def __enter__(self) -> Self:
        running = super().__enter__()
        asked = [str(self.port), str(_PROBES), str(self._seconds)]
        self._probe = subprocess.Popen([sys.executable, "-m", "bench.probe", *asked], cwd=ROOT, stdout=subprocess.PIPE)
        return running

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.delays = orjson.loads(self._probe.communicate(timeout=60)[0])
        finally:
            self._probe.kill()
            super().__exit__(kind, value, at)

    @property
    def cpu_seconds(self) -> float:
        times = [one.cpu_times() for one in self._workers()]
        return float(sum(used.user + used.system for used in times))

    @property
    def rss(self) -> int:
        return sum(one.memory_info().rss for one in self._workers())

    def _workers(self) -> list[psutil.Process]:
        return list(psutil.Process(self._process.pid).children())


def product(workload: Workload, workers: int, registry: str) -> Workers:
    """The product with its caps raised as a user would raise them."""
    room = str(max(1000, 2 * workload.clients))
    environ = {
        "JWT_SECRET_KEY": SECRET,
        "ASSISTANT_RATES": "bench=100000/minute",
        "ASSISTANT_MAX_ACTIVE": room,
        "ASSISTANT_MAX_STREAMS": room,
        "ASSISTANT_REGISTRY": registry,
        "WORKERS": str(workers),
    }
    return Workers(environ, workload.seconds + workload.ramp)


def run(workload: Workload, workers: int, kind: str) -> Run:
    """One fresh Redis, one fresh server, one load; without workers it is one over memory."""
    with RedisServer(kind) as redis:
        server = product(workload, workers or 1, redis.url if workers else "memory://")
        before = redis.cpu_seconds()
        load = measure("shared", lambda: server, workload)
        used = redis.cpu_seconds() - before
    events = max(1, load.events)
    seconds = events / max(1, load.events_per_second)
    return Run(load, server.delays, round(1e6 * used / events, 2), round(100 * used / seconds, 1))


def main() -> int:
    options = _options()
    variants = {"memory": 0, **{f"redis x{number}": number for number in options.workers}}
    loads = [one for one in workloads(options.requests, options.seconds, 2.0) if one.name in ("loop", "paced")]
    runs: dict[tuple[str, str], list[Run]] = {}
    for _ in range(options.repeats):
        for load in loads:
            for name, workers in variants.items():
                print(f"{load.name}, {name} ...", file=sys.stderr, flush=True)
                runs.setdefault((load.name, name), []).append(one := run(load, workers, options.kind))
                if one.load.faults:
                    print(f"  faults: {one.load.faults}", file=sys.stderr, flush=True)
    print(report.machine(None).replace("; not pinned: fewer than two CPUs", "; not pinned"))
    for load in loads:
        print(f"\n{load.title}, {options.repeats} x, medians; Redis: {options.kind}")
        print(_ROW.format("", *_HEADS))
        for name in variants:
            print(_ROW.format(name, *_cells(runs[load.name, name])))
    return int(any(one.load.faults for some in runs.values() for one in some))


_HEADS = ("events/s", "us/event", "redis us/ev", "redis CPU %", "delay p50", "delay p99", "POST p99", "faults")
_ROW = "{:<10}" + "{:>13}" * len(_HEADS)


def _cells(some: list[Run]) -> list[str]:
    def middle(values: list[float]) -> str:
        return f"{median(values):,.1f}"

    return [
        f"{median(one.load.events_per_second for one in some):,.0f}",
        middle([one.load.cpu_per_event for one in some]),
        middle([one.redis_per_event for one in some]),
        middle([one.redis_cpu for one in some]),
        middle([_share(one.delays, 0.5) for one in some]),
        middle([_share(one.delays, 0.99) for one in some]),
        middle([one.load.post.p99 for one in some]),
        str(sum(sum(one.load.faults.values()) for one in some)),
    ]


def _share(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[int(share * (len(ranked) - 1))] if ranked else float("nan")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.shared", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="how many are in flight at once (default 200)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run lasts (default 6)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each run is repeated (default 3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="with Redis (default 1 2 4)")
    parser.add_argument("--kind", choices=("valkey", "redis"), default="valkey", help="which server (default valkey)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
