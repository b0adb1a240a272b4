"""Janitor: what, each second, ends what is overdue and frees what is over.

Each duty is guarded on its own: one that fails is logged and tried again in a second, and the others go on.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import gevent

from .clock import Clock
from .config import Settings
from .errors import NotFound
from .protocols import Orphan, RequestRegistry
from .signals import emit, requests_removed
from .viewer import Viewer, Viewers

log = logging.getLogger("assistant.janitor")

# Time between two rounds; seconds. Every bound of the protocol is met "plus one round".
TICK = 1.0


class Janitor:
    """`runs` tells whether a request has a runner, `overrun` names those that ignore their stop, `abandon` ends one,
    `recover` takes up a lost one (see TaskRunner); `extra` duties run in the same rounds, and
    `during` is entered for as long as there are any."""

    def __init__(
        self,
        registry: RequestRegistry,
        viewers: Viewers,
        settings: Settings,
        *,
        runs: Callable[[str], bool],
        overrun: Callable[[], list[str]],
        abandon: Callable[[str], None],
        recover: Callable[[Orphan], None],
        extra: tuple[Callable[[], None], ...] = (),
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
        clock: Clock | None = None,
        sender: Any = None,
    ) -> None:
        self._registry = registry
        self._viewers = viewers
        self._settings = settings
        self._runs = runs
        self._overrun = overrun
        self._abandon = abandon
        self._during = during
        self._recover = recover
        self._clock = clock or Clock()
        self._sender = sender
        self._duties = (
            self.tend_viewers,
            self.end_overdue,
            self.end_overrun,
            self.recover_lost,
            self.remove_expired,
            *extra,
        )
        self._pid = 0
        self._greenlets: tuple[gevent.Greenlet, ...] = ()

    def ensure(self) -> None:
        """Runs in this process, also after a fork; called lazily, never at import."""
        if self._pid != os.getpid() or not all(self._greenlets):  # a dead greenlet is false
            self.close()
            self._pid = os.getpid()
            # viewers have a loop of their own: their heartbeats must not wait for a store that does not answer
            self._greenlets = (gevent.spawn(self._loop, True), gevent.spawn(self._loop, False))

    def close(self) -> None:
        if self._pid == os.getpid():
            gevent.killall(list(self._greenlets))
        self._pid, self._greenlets = 0, ()

    def round(self) -> None:
        """All duties once."""
        self._do(self._duties)

    def _do(self, duties: Iterable[Callable[[], None]]) -> None:
        for duty in duties:
            try:
                duty()
            except (Exception, gevent.Timeout):
                log.exception("the janitor's duty %s failed", duty.__name__)

    def end_overdue(self) -> None:
        """Stops every request that is past one of its clocks, and ends one that has nobody left to stop."""
        for overdue in self._registry.overdue():
            with suppress(NotFound):
                self._registry.stop(overdue.request_id, overdue.code)
            if not self._runs(overdue.request_id):
                log.error("a request had no runner; it was ended", extra={"request_id": overdue.request_id})
                self._abandon(overdue.request_id)

    def end_overrun(self) -> None:
        """Finishes requests whose handlers ignore their stop."""
        for request_id in self._overrun():
            log.warning("a handler ignored its stop; it was ended", extra={"request_id": request_id})
            self._abandon(request_id)

    def recover_lost(self) -> None:
        """Takes over requests whose worker was lost, until there are none."""
        while orphans := self._registry.reap():
            for orphan in orphans:
                log.warning("a lost worker's request was taken over", extra={"request_id": orphan.ctx.request_id})
                try:
                    self._recover(orphan)
                except Exception:  # the others must not be left without anybody
                    log.exception("a takeover failed", extra={"request_id": orphan.ctx.request_id})
                    self._abandon(orphan.ctx.request_id)

    def tend_viewers(self) -> None:
        """Cuts connections that take no bytes, ends those whose token is over, and breaks long silences."""
        now = self._clock.monotonic()
        for viewer in self._viewers.due(now):
            self._viewers.look_again(viewer, self._tend(viewer, now))

    def _tend(self, viewer: Viewer, now: float) -> float:
        """Does what is due; when something will be."""
        patience, silence = self._settings.stall_timeout, self._settings.heartbeat - TICK
        moments = [now + min(patience, silence)]  # of what begins only after this look
        if viewer.writing_since is None:
            if viewer.last_write + silence <= now:
                viewer.beat()
            else:
                moments.append(viewer.last_write + silence)
        elif viewer.writing_since + patience <= now:
            viewer.end_reason = "stalled"
            viewer.cut()
            return now + TICK
        else:
            moments.append(viewer.writing_since + patience)
        if viewer.token_ends is not None:
            if viewer.token_ends <= now:
                viewer.close_with("closing", "auth_expired")
            moments.append(viewer.token_ends)
        return max(min(moments), now + TICK)

    def remove_expired(self) -> None:
        """Drops logs after their retention, says which, and counts them in one log line."""
        removed = self._registry.sweep()
        if removed:
            emit(requests_removed, self._sender, removed=list(removed), reasons=Counter(one.reason for one in removed))

    def _loop(self, for_viewers: bool) -> None:
        with nullcontext() if for_viewers else self._during():
            while True:
                gevent.sleep(TICK)
                self._do(duty for duty in self._duties if (duty == self.tend_viewers) is for_viewers)
