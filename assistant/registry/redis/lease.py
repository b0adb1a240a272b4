"""Pulse: the one heartbeat of a process, and when it may take over what others have left.

A lease is over when its process is dead, frozen, or cut off from Redis. Who was cut off itself cannot tell which: after
that it waits a whole lease, in which the others can say that they live. Leases that a master has freed, because it saw
the process end, are certain.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable
from threading import Event as Flag

from redis.exceptions import RedisError

from .connection import Store, parse
from .scripts import Scripts

log = logging.getLogger("assistant.registry")

# How long a process counts as alive after its last sign, and how often it gives one; seconds. Half of it gave false alarms.
LEASE, RENEW = 6.0, 1.5
# The same while Redis does not answer: it must be found again at once.
_PROBE = 0.5
# A silence after which a process's own view is not to be trusted; seconds.
_CUT = 2.0
# How long the list of leases outlives the last process; ms.
_KEPT = 24 * 3600 * 1000
# The environment variable by which a master names its workers, so that it can free their leases.
NODE = "ASSISTANT_NODE"


def process_name() -> str:
    """`<node>.<pid>.<random>`: the master knows the first two."""
    return f"{os.environ.get(NODE) or uuid.uuid4().hex[:8]}.{os.getpid()}.{uuid.uuid4().hex[:6]}"


def free_worker(url: str, prefix: str, pid: int) -> None:
    """Ends the leases of a worker of this node that is dead for certain; called in its master. Never raises."""
    store = Store(parse(url))
    try:
        freed = Scripts(store, prefix).run_anyway("free", f"{os.environ[NODE]}.{pid}.")
        if freed:
            log.warning("worker %s was lost; its requests are free for the others", pid)
    except (RedisError, KeyError) as problem:  # the lease ends by itself
        log.warning("the lease of worker %s ends by itself: %s", pid, _line(problem))
    finally:
        store.close()


class Pulse:
    """`renewed` hears how many requests Redis counts as this process's; `changed` that Redis was found or lost."""

    def __init__(
        self, store: Store, scripts: Scripts, *, renewed: Callable[[int], None], changed: Callable[[bool], None]
    ) -> None:
        self._store = store
        self._scripts = scripts
        self._renewed = renewed
        self._changed = changed
        self._was_up: bool | None = None
        self._last = 0.0  # the newest sign that Redis took
        self._trusted = float("inf")  # when others' leases may be judged
        self._bell = Flag()
        self.stopped = False
        self.process = ""

    def run(self) -> None:
        while not self.stopped:
            began = time.monotonic()
            try:
                self.beat()
            except Exception:  # whatever it was, a process that stops beating is dead to the others
                log.exception("a heartbeat failed")
            pause = RENEW if self._store.up else _PROBE
            self._bell.wait(max(0.05, began + pause - time.monotonic()))

    def stop(self) -> None:
        self.stopped = True
        self._bell.set()

    def beat(self) -> None:
        """One sign of life."""
        try:
            owned, _ = self._scripts.run_anyway("renew", self.process, round(LEASE * 1000), _KEPT)
        except RedisError as problem:
            self._store.failed(problem)
            self._store.up = False
            self._tell(up=False, why=problem)
            return
        now = time.monotonic()
        if now - self._last > _CUT:
            self._trusted = now + LEASE
        self._last = now
        self._store.up = True
        self._tell(up=True)
        self._renewed(owned)

    @property
    def may_judge(self) -> bool:
        """Whether a lease that is over means a process that is lost."""
        now = time.monotonic()
        return now - self._last <= _CUT and now >= self._trusted

    def _tell(self, *, up: bool, why: Exception | None = None) -> None:
        if up == self._was_up:
            return
        if why is not None:
            log.error("Redis at %s cannot be used: %s", self._store.address, _line(why))
        elif self._was_up is False:
            log.warning("Redis at %s is back", self._store.address)
        self._was_up = up
        self._changed(up)


def _line(problem: Exception) -> str:
    return str(problem).splitlines()[0][:300] if str(problem) else type(problem).__name__
