"""Time as the parts see it, in one place so that a test can script it."""

from __future__ import annotations

import time


class Clock:
    """`monotonic()` measures durations in seconds and never jumps; `now()` is the moment for people, in ms since 1970."""

    monotonic = staticmethod(time.monotonic)

    def now(self) -> int:
        return time.time_ns() // 1_000_000
