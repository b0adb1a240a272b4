"""CounterStorage: the counters of request rates in this process, for flask-limiter.

The store that comes with `limits` looks at every counter once in ten milliseconds, in a thread that it starts anew each
time; with a thousand users that was a twentieth of the server's work. This one forgets over a minute what is over.
"""

from __future__ import annotations

import time
from threading import Lock

from limits.storage import Storage

# How often counters whose window is over are dropped; seconds.
_SWEEP = 60.0


class CounterStorage(Storage):
    """Fixed windows in a dict; `limits` finds it by its scheme."""

    STORAGE_SCHEME = ["assistant-memory"]  # noqa: RUF012 - so it is declared in the base class

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: str) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._lock = Lock()
        self._counters: dict[str, tuple[int, float]] = {}  # how many, and until when (time.time)
        self._swept = time.time()

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Counts `amount` more in the window that the first count of a key began; how many there are then."""
        now = time.time()
        with self._lock:
            if now - self._swept > _SWEEP:
                self._sweep(now)
            count, ends = self._counters.get(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + expiry
            self._counters[key] = (count + amount, ends)
            return count + amount

    def get(self, key: str) -> int:
        count, ends = self._counters.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._counters.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._lock:
            count = len(self._counters)
            self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        with self._lock:
            self._counters.pop(key, None)

    def _sweep(self, now: float) -> None:
        self._counters = {key: counter for key, counter in self._counters.items() if counter[1] > now}
        self._swept = now
