"""`python -m bench.scale`: what an event costs as the work grows, as a page with a picture for the documentation.

Streams open first and wait; the CPU time of the server counts from the moment all have come. So it is the cost of events
alone, whatever the cost of a POST.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial

from . import report, server
from .measure import measure
from .workload import Shape, Workload

PAGE = server.ROOT / "docs" / "developing" / "scale.md"
PICTURE = PAGE.with_suffix(".svg")
# Streams come this fast, and have this long to settle before their first event; per second, and seconds.
_COME, _SETTLE = 400, 8.0
# Of one picture: width, height, and room around the plot.
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 300, 240, 48, 44, 40
# Keeps a figure readable where a line crosses it.
_HALO = 'stroke="#fff" stroke-width="4" paint-order="stroke"'

Point = tuple[int, float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--most", type=int, default=10_000, help="most streams, and most events (default 10000)")
    most = parser.parse_args().most
    server.raise_descriptor_limit()
    cpus = server.pin()
    series = []
    for title, loads in _series(most):
        points = []
        for x, load in loads:
            found = measure(
                "assistant", partial(server.product, load.clients * load.viewers, cpus[0] if cpus else None), load
            )
            print(
                f"{title}: {x:,}: {found.cpu_per_event} us, {found.events:,} events, faults {found.faults or 'none'}",
                flush=True,
            )
            points.append((x, found.cpu_per_event))
            if found.faults:
                return 1
        series.append((title, points))
    about = report.machine(cpus)
    PICTURE.write_text(picture(series))
    PAGE.write_text(page(series, about))
    print(f"written: {PAGE.name}, {PICTURE.name}")
    return 0


def _series(most: int) -> Iterator[tuple[str, list[tuple[int, Workload]]]]:
    """Each axis on its own: streams at 8,000 events/s in all, viewers of 200 streams, events of 50 answers at full speed."""
    rate, events = 8_000, 48  # the same for each number: the end of a request costs as much as a dozen events
    yield "streams open", [(n, _load(n, events, n / rate)) for n in (100, 1_000, 5_000, 10_000) if n <= most]
    yield "viewers of a stream", [(n, _load(200, 150, 0.04, viewers=n)) for n in (1, 2, 3, 4, 5)]
    yield "events of an answer", [(n, _load(50, n, 0.0)) for n in (10, 100, 1_000, 10_000) if n <= most]


def _load(clients: int, events: int, gap: float, viewers: int = 1) -> Workload:
    ramp = clients * viewers / _COME
    return Workload(
        "scale",
        "",
        Shape.ONCE,
        clients,
        events,
        gap,
        events * gap + _SETTLE,
        ramp,
        hold=ramp + _SETTLE,
        viewers=viewers,
    )


def page(series: list[tuple[str, list[Point]]], about: str) -> str:
    """The picture, its figures, and on what they were measured."""
    rows = [
        f"| {title} | {' '.join(f'{x:,}: {cost:.1f}' + (',' if x != points[-1][0] else '') for x, cost in points)} |"
        for title, points in series
    ]
    return "\n".join(
        [
            "# As the work grows",
            "",
            "CPU time of the server for each event that a client received, in microseconds. Streams open first; only what",
            "comes after that is counted, so the cost of a POST and a GET is not in it, and that of the request's end is: about",
            "0.6 ms, which answers of ten events feel and those of ten thousand do not. Written by `python -m bench.scale`.",
            "",
            f"![CPU time of the server for each delivered event]({PICTURE.name})",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
            f"Measured on {about}.",
            "",
        ]
    )


def picture(series: list[tuple[str, list[Point]]]) -> str:
    """An SVG with one plot a series; the lowest line is 0 and the scale is the same for all."""
    top = max(cost for _, points in series for _, cost in points) * 1.15
    plots = "".join(_plot(index, title, points, top) for index, (title, points) in enumerate(series))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH * len(series)} {_HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11" fill="#555">'
        "<title>CPU time of the server for each delivered event, as the work grows</title>"
        f'<rect width="100%" height="100%" fill="#fff"/>{plots}</svg>\n'
    )


def _plot(index: int, title: str, points: list[Point], top: float) -> str:
    left, right, base = index * _WIDTH + _LEFT, (index + 1) * _WIDTH - 16, _HEIGHT - _BOTTOM
    places = [
        (left + (right - left) * (number + 0.5) / len(points), base - (base - _TOP) * cost / top)
        for number, (_, cost) in enumerate(points)
    ]
    parts = [
        f'<text x="{left}" y="20" font-size="13" fill="#111">{title}</text>',
        f'<text x="{left}" y="34">us of CPU for each delivered event</text>',
        f'<path d="M{left} {_TOP}V{base}H{right}" fill="none" stroke="#999"/>',
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" stroke="#1a66cc" stroke-width="2"/>',
    ]
    for (x, y), (value, cost) in zip(places, points, strict=True):
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#1a66cc"/>',
            f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle" fill="#111" {_HALO}>{cost:.1f}</text>',
            f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{value:,}</text>',
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
