"""`make bench`: the product beside a naive server, in one run. Exits 1 when a budget is missed."""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import sys
from dataclasses import asdict
from functools import partial

import orjson

from . import report, server
from .measure import Measurement, measure
from .workload import workloads

Runs = dict[tuple[str, str], list[Measurement]]


def main() -> int:
    options = _options()
    _raise_descriptor_limit()
    machine = report.machine(cpus := _pin())
    makers = {"assistant": server.product} if options.alone else {"assistant": server.product, "naive": server.naive}
    loads = [
        one for one in workloads(options.requests, options.seconds, options.ramp) if options.only in (None, one.name)
    ]
    runs: Runs = {(load.name, name): [] for load in loads for name in makers}
    for repeat in range(options.repeats):
        for load in loads:
            for name in list(makers)[:: 1 if repeat % 2 == 0 else -1]:  # no server is always the first
                print(f"repeat {repeat + 1}/{options.repeats}: {load.name}, {name} ...", file=sys.stderr, flush=True)
                make = partial(makers[name], load.clients, cpus[0] if cpus else None)
                runs[load.name, name].append(measure(name, make, load))
    missed = {load.name: report.missed(runs[load.name, "assistant"]) for load in loads}
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    if options.json:
        everything = [asdict(run) for found in runs.values() for run in found]
        facts = {"machine": machine, "command": command, "runs": everything, "missed": missed}
        print(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    else:
        print(
            f"{machine}\n{command}   ({options.repeats} interleaved repeats: medians; ratios paired in each repeat)\n"
        )
        for load in loads:
            ours, theirs = runs[load.name, "assistant"], runs.get((load.name, "naive"), [])
            print(report.table(load, ours, theirs), end="\n\n")
        print(_verdict(runs, missed))
    return int(any(missed.values()))


def _verdict(runs: Runs, missed: dict[str, list[str]]) -> str:
    lines = [f"missed ({name}): {problem}" for name, problems in missed.items() for problem in problems]
    lines = lines or ["All budgets are kept: p99 of POST < 500 ms, GET to first byte < 1 s, GET to first chunk < 3 s, "
                      "no request over 10 MB, no event lost, doubled or out of order."]  # fmt: skip
    if ("loop", "naive") in runs:
        gained = report.ratio(runs["loop", "assistant"], runs["loop", "naive"], "events_per_second")
        lines.append(
            f"Goal, events/s not below the naive server's: {gained:.2f}, {'met' if gained >= 1 else 'missed'}."
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="how many are in flight at once (default 1000)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run loads its server (default 6)")
    parser.add_argument("--ramp", type=float, default=2.0, help="over how many seconds they arrive (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each run is repeated (default 3)")
    parser.add_argument("--only", choices=("loop", "paced"), help="one workload instead of both")
    parser.add_argument("--alone", action="store_true", help="without the naive server")
    parser.add_argument("--json", action="store_true", help="all numbers as JSON instead of the tables")
    options = parser.parse_args()
    if options.requests < 1 or options.repeats < 1 or not 0 < options.seconds <= 300 or not 0 <= options.ramp <= 60:
        parser.error("--requests and --repeats are at least 1, --seconds is from 0 to 300, --ramp to 60")
    return options


def _pin() -> tuple[int, int] | None:
    """One CPU for the server and one for this process; None where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[1]})
    return allowed[0], allowed[1]


def _raise_descriptor_limit() -> None:
    """Each client is a descriptor here and one in the server, which inherits this limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
