"""Report: medians over the repeats, ratios paired inside each repeat, budgets, and the table of it all."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from .measure import Latency, Measurement
from .workload import Workload

# What a request may take (README.md of this folder): p99 in milliseconds, and bytes accounted to one request.
BUDGETS = {"post": 500.0, "first_byte": 1_000.0, "first_chunk": 3_000.0}
MAX_BYTES = 10_000_000

_LATENCIES = {
    "post": "POST",
    "first_byte": "GET to first byte",
    "first_chunk": "GET to first chunk",
    "delay": "delay of a chunk",
    "steady_delay": "the same, once all have come",
    "probe": "POST of a probe",
}
_NUMBERS = {
    "events_per_second": "events/s",
    "posts_per_second": "POST/s",
    "cpu_per_event": "server CPU per event, us",
    "steady_cpu_per_event": "the same, once all have come",
    "server_cpu": "server CPU, % of a core",
    "rss_per_stream": "RSS grown per stream, KiB",
    "generator_cpu": "generator CPU, %",
}


def machine(cpus: tuple[int, int] | None) -> str:
    """One line: on what this was measured."""
    packages = " ".join(f"{name} {version(name)}" for name in ("gunicorn", "gevent", "flask", "orjson"))
    place = f"server on CPU {cpus[0]}, generator on CPU {cpus[1]}" if cpus else "not pinned: fewer than two CPUs"
    return (
        f"{os.cpu_count()} x {_cpu_model()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {packages}; {place}; load average {os.getloadavg()[0]:.2f} before"
    )


def missed(workload: str, runs: Sequence[Measurement]) -> list[str]:
    """The budgets that the product's runs of one workload do not keep, in words. Times are those of 1,000 requests."""
    found = []
    for name, budget in BUDGETS.items() if workload in ("loop", "paced") else ():
        p99 = _latency(runs, name).p99
        if not p99 < budget:
            found.append(f"{_LATENCIES[name]}: p99 {p99:,.0f} ms, the budget is {budget:,.0f} ms")
    largest = max(run.largest or 0 for run in runs)
    if largest > MAX_BYTES:
        found.append(f"one request was accounted {largest:,} bytes, the budget is {MAX_BYTES:,}")
    found += [f"{count} x {problem}" for problem, count in faults(runs).items()]
    return found


def faults(runs: Sequence[Measurement]) -> Counter[str]:
    """What went wrong, counted over the repeats."""
    return sum((Counter(run.faults) for run in runs), Counter())


def table(workload: Workload, columns: Mapping[str, Sequence[Measurement]]) -> str:
    """The lines of one workload: a column a server, the product first."""
    ours = next(iter(columns.values()))
    lines = [_line(f"medians of {len(ours)}", columns)]
    for name, label in _LATENCIES.items():
        if not math.isnan(_latency(ours, name).p50):
            lines.append(
                _line(f"{label} p50/p95/p99/max, ms", (_shown(_latency(runs, name)) for runs in columns.values()))
            )
    for name, label in _NUMBERS.items():
        if ("event" in name and not workload.events) or math.isnan(getattr(ours[0], name)):
            continue
        lines.append(_line(label, (f"{median(getattr(run, name) for run in runs):,.6g}" for runs in columns.values())))
    lines.append(_line("largest request, bytes accounted", [f"{max(run.largest or 0 for run in ours):,}"]))
    for label, say in (("streams complete and in order", _complete), ("faults", _counted)):
        lines.append(_line(label, map(say, columns.values())))
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _line(label: str, cells: Iterable[str]) -> str:
    return f"{label:<42}" + "".join(f" {cell:>29}" for cell in cells)


def _latency(runs: Sequence[Measurement], name: str) -> Latency:
    """Medians of the percentiles; the maximum is that of all repeats."""
    found: list[Latency] = [getattr(run, name) for run in runs]
    return Latency(
        median(one.p50 for one in found),
        median(one.p95 for one in found),
        median(one.p99 for one in found),
        max(one.max for one in found),
    )


def _shown(latency: Latency) -> str:
    return " / ".join(f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in
                      (latency.p50, latency.p95, latency.p99, latency.max))  # fmt: skip


def _complete(runs: Sequence[Measurement]) -> str:
    return f"{sum(run.requests for run in runs):,}"


def _counted(runs: Sequence[Measurement]) -> str:
    return ", ".join(f"{count} x {problem}" for problem, count in faults(runs).items()) or "none"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
