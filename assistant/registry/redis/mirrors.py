"""Mirrors: the logs that this process has a copy of, because it owns them or somebody watches them here.

A copy that nobody needs goes after a moment; a later look takes it from Redis again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from redis.exceptions import RedisError

from ...clock import Clock
from ...errors import AssistantError, Fenced, NotFound, StoreLost
from ...models import Cursor
from .connection import Store
from .mirror import Mirror
from .scripts import Scripts

# How long a copy without updates of its own may be taken for the log, and how long it stays unneeded; seconds.
FRESH = 1.0
# Entries of a stream that one answer brings; each holds at most half a megabyte.
_PAGE = 32
# How often in a row a log must be found short before it counts as lost: its owner may be about to write it again.
_DOUBTS = 3


class Mirrors:
    """`lock` guards the copies and what is done with them; it is never held while anything waits. `bereft` hears of each
    log that this process owns no longer, and why."""

    def __init__(
        self,
        store: Store,
        scripts: Scripts,
        lock: Lock,
        clock: Clock,
        *,
        bereft: Callable[[str, AssistantError], None],
    ) -> None:
        self._bereft = bereft
        self._store = store
        self._scripts = scripts
        self._lock = lock
        self._clock = clock
        self._known: dict[str, Mirror] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, request_id: str) -> Mirror | None:
        """The copy that is here, however old."""
        return self._known.get(request_id)

    def hold(self, request_id: str, mirror: Mirror) -> None:
        """Makes a mirror the copy of a log that this process owns. Called under the lock."""
        mirror.owned = True
        mirror.pins += 1
        self._known[request_id] = mirror

    def let_go(self, request_id: str, mirror: Mirror) -> None:
        """The log is not this process's to write any more; who watches it here goes on. Called under the lock."""
        mirror.owned = False
        mirror.pins -= 1
        mirror.touched = time.monotonic()

    def pinned(self, request_id: str) -> Mirror:
        """The copy, which then stays until it is unpinned. Raises NotFound, StoreUnavailable. May wait."""
        with self._lock:
            mirror = self._known.setdefault(request_id, Mirror())
            mirror.pins += 1
        try:
            return self._loaded(request_id, mirror)
        except BaseException:
            self.unpin(mirror)
            raise

    def unpin(self, mirror: Mirror) -> None:
        with self._lock:
            mirror.pins -= 1

    def current(self, request_id: str) -> Mirror:
        """The copy for one look. Raises NotFound, StoreUnavailable. Waits only where nobody keeps the copy current."""
        mirror = self._known.get(request_id)
        if mirror is not None and len(mirror) and (mirror.pins or mirror.closed):
            return mirror
        with self._lock:
            mirror = self._known.setdefault(request_id, Mirror())
        return self._loaded(request_id, mirror)

    def drop(self, request_id: str) -> None:
        """The log is gone."""
        with self._lock:
            self._known.pop(request_id, None)

    def prune(self) -> None:
        """Frees the copies that nobody has needed for a moment."""
        now = time.monotonic()
        with self._lock:
            for request_id, mirror in list(self._known.items()):
                if not mirror.pins and now - mirror.touched > FRESH:
                    del self._known[request_id]

    # --- keeping up ---
    def take(self, request_id: str, attempt: int, first: int, frames: list[bytes], *, closed: bool) -> None:
        """Frames that another process wrote; a gap before them is repaired from the stream."""
        mirror = self._known.get(request_id)
        if mirror is None or mirror.owned:
            return
        with self._lock:
            before = len(mirror)
            whole = mirror.take(attempt, first, frames, closed=closed)
            grown = len(mirror) > before
            mirror.touched = time.monotonic()
        if grown:
            mirror.wake()
        if not whole:
            self.repair(request_id, mirror)

    def catch_up(self, request_id: str, mirror: Mirror) -> None:
        """Takes what the stream has more, also for the owner. Raises StoreUnavailable. Waits."""
        try:
            self.repair(request_id, mirror)
        except RedisError as problem:
            raise self._store.failed(problem) from problem

    def queue(self, pipe: Any, request_id: str, mirror: Mirror) -> None:
        """Asks for the first of what the stream has more."""
        pipe.xrange(self._scripts.key("s", request_id), min=_behind(mirror.place), count=_PAGE)

    def repair(self, request_id: str, mirror: Mirror) -> None:
        """Takes what the stream has more. Raises RedisError."""
        before = len(mirror)
        while True:
            with self._lock:
                place = mirror.place
            entries = self._store.reading.ask(
                "XRANGE", self._scripts.key("s", request_id), _behind(place), "+", "COUNT", _PAGE
            )
            with self._lock:
                mirror.follow(entries)
                mirror.touched = time.monotonic()
            if len(entries) < _PAGE:
                break
        if len(mirror) > before:
            mirror.wake()

    def compare(self, *, all_of_them: bool = False) -> None:
        """Finds, among those that have been quiet for a while, copies that are behind the log or have none any more, and
        logs that are another's now. Raises RedisError."""
        now = time.monotonic()
        with self._lock:
            quiet = [
                (request_id, mirror)
                for request_id, mirror in self._known.items()
                if mirror.pins and not mirror.closed and len(mirror)
                and (all_of_them or now - mirror.touched >= FRESH)
            ]  # fmt: skip
        for start in range(0, len(quiet), 500):
            some = quiet[start : start + 500]
            pipe = self._store.commands.pipeline(transaction=False)
            for request_id, _ in some:
                pipe.hmget(self._scripts.key("m", request_id), "attempt", "last")
            for (request_id, mirror), (attempt, last) in zip(some, pipe.execute(), strict=True):
                mirror.touched = now
                self._judge(request_id, mirror, attempt, last)

    def _judge(self, request_id: str, mirror: Mirror, attempt: bytes | None, last: bytes | None) -> None:
        if mirror.owned:
            if attempt is None:
                self._bereft(request_id, StoreLost())
            elif int(attempt) > mirror.place.attempt:
                self._bereft(request_id, Fenced())
            return
        if attempt is None or last is None:
            self.lose(mirror)
            return
        there, here = Cursor(int(attempt), int(last)), mirror.place
        if there.attempt == here.attempt and there.seq <= here.seq:
            mirror.doubts = 0
            return
        self.repair(request_id, mirror)
        mirror.doubts = mirror.doubts + 1 if not mirror.closed and mirror.place < there and there.seq else 0
        if mirror.doubts >= _DOUBTS:  # the hash is there and the stream is not
            self.lose(mirror)

    def lose(self, mirror: Mirror) -> None:
        """Ends a log that Redis does not have any more."""
        with self._lock:
            mirror.fail(StoreLost(), self._clock.now())
        mirror.wake()

    def _loaded(self, request_id: str, mirror: Mirror) -> Mirror:
        """The mirror once it holds all that the stream holds now."""
        with self._lock:
            if mirror.owned or mirror.closed:
                return mirror
        try:
            self._scripts_up()
            with mirror.loading:
                self.repair(request_id, mirror)
        except RedisError as problem:
            raise self._store.failed(problem) from problem
        if not len(mirror):
            self.drop(request_id)
            raise NotFound
        return mirror

    def _scripts_up(self) -> None:
        if not self._store.up:
            raise RedisError("known to be down")


def _behind(place: Cursor) -> str:
    """Where the entries behind an event begin."""
    return f"({place.attempt}-{place.seq}" if place.seq else f"{place.attempt}-0"
