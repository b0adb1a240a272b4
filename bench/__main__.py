"""`make bench`: the product beside its peers, in one run. Exits 1 when a budget is missed, whatever the goals say."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import orjson

from . import goals, report, server
from .measure import PRODUCTS, Measurement, measure
from .workload import Workload, workloads

Runs = dict[tuple[str, str], list[Measurement]]

RESULTS = server.ROOT / "bench" / "RESULTS.md"
# The workloads that the budgets are about.
_BUDGETED = ("loop", "paced")


def main() -> int:
    options = _options()
    server.raise_descriptor_limit()
    machine = report.machine(cpus := server.pin())
    loads = [one for one in workloads(options.requests, options.seconds, options.ramp) if one.name in options.only]
    runs = _run(loads, options, cpus[0] if cpus else None)
    missed = {load.name: report.missed(load.name, runs[load.name, goals.PEERS[load.name][0]]) for load in loads}
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    if options.json:
        everything = [asdict(run) for found in runs.values() for run in found]
        facts = {"machine": machine, "command": command, "runs": everything, "missed": missed}
        print(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    else:
        said = _said(loads, runs, missed, f"{machine}\n{command}   ({options.repeats} interleaved repeats)")
        print(said)
        if options.write:
            moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            RESULTS.write_text(f"# The last full run\n\n{moment}. How to read it: [README.md](README.md).\n\n{said}\n")
    return int(any(missed.values()))


def _run(loads: list[Workload], options: argparse.Namespace, cpu: int | None) -> Runs:
    """All measurements: interleaved over the peers, in another order each time, so that no server is always the first."""
    runs: Runs = {}
    for repeat in range(options.repeats):
        for load in loads:
            names = list(goals.PEERS[load.name][: 1 if options.alone else None])
            for name in names[:: 1 if repeat % 2 == 0 else -1]:
                print(f"repeat {repeat + 1}/{options.repeats}: {load.name}, {name} ...", file=sys.stderr, flush=True)
                try:
                    found = measure(name, partial(server.MAKERS[name], load.clients + load.probes, cpu), load)
                except subprocess.CalledProcessError as problem:  # its packages cannot be had here
                    print(f"left out: {name}: {problem}", file=sys.stderr)
                    continue
                runs.setdefault((load.name, name), []).append(found)
    return runs


def _said(loads: list[Workload], runs: Runs, missed: dict[str, list[str]], about: str) -> str:
    parts = [f"```\n{about}\n```"]
    if any(peer not in PRODUCTS for _, peer in runs):
        parts.append(
            "## Goals\n\nMedians of ratios paired in each repeat; a core is that of the server.\n\n" + goals.table(runs)
        )
    for load in loads:
        columns = {name: runs[load.name, name] for name in goals.PEERS[load.name] if (load.name, name) in runs}
        parts.append(f"## {load.name}: {load.title}\n\n```\n{report.table(load, columns)}\n```")
    lines = [f"missed ({name}): {problem}" for name, problems in missed.items() for problem in problems]
    lines = lines or ["All budgets are kept: p99 of POST < 500 ms, GET to first byte < 1 s, GET to first chunk < 3 s, "
                      "no request over 10 MB, no event lost, doubled or out of order."]  # fmt: skip
    return "\n\n".join([*parts, "## Budgets\n\n" + "\n".join(lines)])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="how many are in flight at once (default 1000)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run loads its server (default 6)")
    parser.add_argument("--ramp", type=float, default=2.0, help="over how many seconds they arrive (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each run is repeated (default 3)")
    parser.add_argument(
        "--only", choices=tuple(goals.PEERS), nargs="+", help="these workloads instead of the budgeted two"
    )
    parser.add_argument("--goals", action="store_true", help="all workloads, beside all peers")
    parser.add_argument("--write", action="store_true", help=f"write what is printed to {RESULTS.name} as well")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--json", action="store_true", help="all numbers as JSON instead of the tables")
    options = parser.parse_args()
    if options.requests < 1 or options.repeats < 1 or not 0 < options.seconds <= 300 or not 0 <= options.ramp <= 60:
        parser.error("--requests and --repeats are at least 1, --seconds is from 0 to 300, --ramp to 60")
    options.only = options.only or (tuple(goals.PEERS) if options.goals else _BUDGETED)
    return options


if __name__ == "__main__":
    sys.exit(main())
