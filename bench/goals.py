"""Goals: how the product must stand beside its peers, each as a ratio paired inside each repeat, or as a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from .measure import PRODUCTS, Measurement

Runs = Mapping[tuple[str, str], Sequence[Measurement]]
Value = Callable[[Measurement], float]

# Which peers a workload needs, the product first.
PEERS = {
    "loop": ("assistant", "naive", "starlette", "raw"),
    "paced": ("assistant", "naive", "raw"),
    "posts": ("assistant", "secured", "naive"),
    "mixed": ("assistant", "naive"),
    "idle": ("assistant", "naive"),
    "rough": ("assistant",),
    "shared": ("redis", "xread"),
}


@dataclass(frozen=True, slots=True)
class Goal:
    """`value` of the product, divided by that of `peer` where there is one, is at least or at most `target`."""

    number: str
    what: str
    workload: str
    value: Value
    target: float
    beyond: float | None = None
    peer: str | None = None
    least: bool = False
    unit: str = ""

    def reached(self, found: float, bound: float) -> bool:
        return found >= bound if self.least else found <= bound

    def found(self, runs: Runs) -> list[float] | None:
        """One figure a repeat; None when its workload or its peer was not run."""
        ours = runs.get((self.workload, PEERS[self.workload][0]))
        if not ours:
            return None
        if self.peer is None:
            return [self.value(one) for one in ours]
        theirs = runs.get((self.workload, self.peer))
        if not theirs:
            return None
        return [self.value(one) / max(self.value(other), 1e-9) for one, other in zip(ours, theirs, strict=True)]


def _faults(one: Measurement) -> float:
    return sum(one.faults.values())


# Numbered as in the design; what is paced counts while all streams are open, so that events are measured and not arrivals.
# P5 needs nginx with nchan, which this run does not start.
GOALS = (
    Goal("P1", "events/s of a core, against sse-starlette", "loop", lambda one: 1 / one.cpu_per_event, 2.0, 2.5,
         "starlette", least=True),
    Goal("P2", "events/s of a core, against naive", "loop", lambda one: 1 / one.cpu_per_event, 1.5, 1.9, "naive",
         least=True),
    Goal("P3", "CPU an event, saturated, against raw gevent", "loop", lambda one: one.cpu_per_event, 1.0, 0.8, "raw"),
    Goal("P4", "CPU an event, paced, against raw gevent", "paced", lambda one: one.steady_cpu_per_event,
         0.85, 0.65, "raw"),
    Goal("P6", "delay of an event, paced, p99", "paced", lambda one: one.steady_delay.p99, 10.0, 5.0, unit="ms"),
    Goal("P6", "the same, against naive", "paced", lambda one: one.steady_delay.p99, 0.2, None, "naive"),
    Goal("P7", "memory of an idle stream, against naive", "idle", lambda one: one.rss_per_stream, 0.45, 0.33, "naive"),
    Goal("P8", "CPU of idle streams, against naive", "idle", lambda one: one.server_cpu, 0.3, 0.15, "naive"),
    Goal("P9", "GET to headers while they come, p99", "idle", lambda one: one.first_byte.p99, 50.0, 5.0, unit="ms"),
    Goal("P10", "POST/s of a core, against Flask with the same extensions", "posts",
         lambda one: one.posts_per_second / one.server_cpu, 1.0, 1.5, "secured", least=True),
    Goal("P11", "the slowest POST, against naive", "posts", lambda one: one.post.max, 0.05, 0.02, "naive"),
    Goal("P12", "POST while 10,000 events/s flow, p99, against naive", "mixed", lambda one: one.probe.p99, 0.5, 0.25,
         "naive"),
    Goal("P13", "CPU an event over Redis, against XADD and XREAD", "shared", lambda one: one.cpu_per_event, 0.1, 0.04,
         "xread"),
    Goal("P14", "events lost, doubled or out of order, all runs", "rough", _faults, 0, 0),
)  # fmt: skip


def table(runs: Runs) -> str:
    """One line a goal, as a table in Markdown."""
    lines = ["| # | measure | median | of | target | beyond | |", "|---|---|---|---|---|---|---|"]
    for goal in GOALS:
        found = goal.found(runs)
        sign = ">=" if goal.least else "<="
        beyond = "" if goal.beyond is None else f"{sign} {goal.beyond:g}"
        if found is None:
            shown, spread, verdict = "-", "", "not run"
        else:
            if goal.number == "P14":
                found = [sum(_faults(one) for (_, peer), all_ in runs.items() if peer in PRODUCTS for one in all_)]
            figure = median(found)
            shown, spread = f"{figure:.3g}{goal.unit and ' ' + goal.unit}", " ".join(f"{one:.3g}" for one in found)
            verdict = _verdict(goal, figure)
        lines.append(
            f"| {goal.number} | {goal.what} | {shown} | {spread} | {sign} {goal.target:g} | {beyond} | {verdict} |"
        )
    return "\n".join(lines)


def _verdict(goal: Goal, figure: float) -> str:
    if goal.beyond is not None and goal.reached(figure, goal.beyond):
        return "beyond"
    return "reached" if goal.reached(figure, goal.target) else "**missed**"
