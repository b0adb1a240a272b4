"""What the machine did to a test meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

_SCHEDULER = Path("/proc/thread-self/schedstat")


class Stopwatch:
    """Seconds since it was entered, without those in which this thread could have run and got no core.

    The kernel counts the latter (proc(5), /proc/pid/schedstat): on a busy machine a promise of 250 ms is not broken by
    the neighbours. Where the kernel does not count, they count.
    """

    def __enter__(self) -> Self:
        self._began, self._waited = time.monotonic(), _waited()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.wait = _waited() - self._waited

    def until(self, moment: float) -> float:
        """From the start to a monotonic moment, which lies within."""
        return max(0.0, moment - self._began - self.wait)


def _waited() -> float:
    try:
        return int(_SCHEDULER.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
