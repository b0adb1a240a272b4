"""Audience: who watches a request, here and in the other processes.

Each process tells Redis how many watch there; those of a process without a lease do not count. Coming in is asked for,
leaving is only told: a stream may end where nothing may wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Lock
from typing import Any, NamedTuple

from ...clock import Clock
from ...config import Settings
from ...errors import AssistantError, NotFound, StoreUnavailable, TooManyViewers
from ...protocols import Wake
from .held import Held
from .process import Process

# How long a client should wait before it tries again; seconds.
_RETRY = 2.0
# How often other processes are asked whether they watch a request that nobody watches here; seconds.
_ASKED = 5.0
# How long keys outlive what is promised, for those that are late; seconds.
_SLACK = 60.0


class _Here(NamedTuple):
    """How many watch a request in this process, and the number of the last one that came."""

    viewers: int
    newest: int


class Audience:
    """`lock` is the registry's."""

    def __init__(
        self, process: Process, settings: Settings, lock: Lock, clock: Clock, moment: Callable[[], Any]
    ) -> None:
        self._process = process
        self._settings = settings
        self._lock = lock
        self._clock = clock
        self._moment = moment
        self._counts: dict[str, _Here] = {}
        self._numbers = count(1)

    def here(self, request_id: str) -> int:
        """How many watch in this process."""
        return self._counts.get(request_id, _Here(0, 0)).viewers

    @contextmanager
    def watching(self, request_id: str, wake: Wake) -> Iterator[None]:
        self._enter(request_id)
        try:
            mirror = self._process.mirrors.pinned(request_id)
        except BaseException:
            self._leave(request_id)
            raise
        with self._lock:
            mirror.add_waker(wake)
        try:
            yield
        finally:  # nothing here waits: a stream may end in the loop itself
            with self._lock:
                mirror.remove_waker(wake)
            self._process.mirrors.unpin(mirror)
            self._leave(request_id)

    def _enter(self, request_id: str) -> None:
        process, settings = self._process, self._settings
        with self._lock:
            mine, newest = self._counts[request_id] = _Here(self.here(request_id) + 1, next(self._numbers))
            if (held := process.held.get(request_id)) is not None:
                held.viewers, held.views = mine, held.views + 1
        kept = settings.deadline + settings.retention + _SLACK
        told = (request_id, process.name, mine, settings.max_viewers, round(kept * 1000), process.lease_ms, newest)
        try:
            answer = process.scripts.run("watch", *told)
        except StoreUnavailable:
            mirror = process.mirrors.find(request_id)
            if mirror is not None and (mirror.pins or mirror.closed) and mine <= settings.max_viewers:
                process.chore("watch", *told)  # what is here can be seen; others are told later
                return
            self._leave(request_id)
            raise
        if answer != b"ok":
            self._leave(request_id)
            raise NotFound if answer == b"none" else TooManyViewers(retry_after=_RETRY)

    def _leave(self, request_id: str) -> None:
        process = self._process
        with self._lock:
            viewers, newest = self._counts[request_id]
            left = viewers - 1
            if left:
                self._counts[request_id] = _Here(left, newest)
            else:
                del self._counts[request_id]
            if (held := process.held.get(request_id)) is not None:
                held.viewers, held.left = left, self._clock.monotonic()
        process.chore("left", request_id, process.name, left, self._moment(), newest)

    def has_left(self, held: Held, now: float) -> bool:
        """Whether also in the other processes nobody has watched for long enough; they are asked from time to time."""
        if held.checked and now - held.checked < _ASKED:
            return False
        try:
            record = self._process.record(held.ctx.request_id)
        except AssistantError:
            return False  # whoever cannot be asked may be watching
        with self._lock:
            held.views = max(held.views, record.views)
            if record.left is not None:
                held.left = max(held.left, now - record.left)
            held.checked = now if record.viewers else 0.0
        return not record.viewers and held.late(self._settings, now) == "abandoned"
