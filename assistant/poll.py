"""Poll: a viewer that takes one page and goes, for places where a stream would be buffered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from . import sse
from .errors import NotFound, ServerFull, StoreUnavailable, TooManyViewers
from .models import START, parse_cursor
from .viewer import Viewer

# Most that one page holds; the rest is the next page's, so that a long log never stands in memory twice; bytes of JSON.
PAGE_BYTES = 2**20

Page = dict[str, Any]


class Poll(Viewer):
    """The JSON form of a stream: the same events behind the same cursor, a page at a time."""

    def page(self, wait: Callable[[], bool]) -> Page:
        """What lies behind the cursor; where there is nothing, what came until `wait` said False.

        `wait` returns after the wake call, and says whether there is time left. Counts as a viewer until it returns.
        """
        try:
            self._viewers.add(self)
            with self._registry.watch(self.ctx.request_id, self._woken):
                page = self._look()
                while not (page["events"] or page["notices"] or page["closed"]) and wait():
                    page = self._look()
                return page
        # dropped since the view looked, or a race for the last place was lost: the client comes again
        except (NotFound, TooManyViewers, ServerFull, StoreUnavailable):
            return self._page([], [], closed=False)
        finally:
            self._viewers.discard(self)

    def _look(self) -> Page:
        batch = self._registry.read(self.ctx.request_id, self.cursor)
        notices = [self._told("reset", None)] if batch.reset else []
        events, whole = _events(batch.frames)
        if events:
            self.cursor = parse_cursor(events[-1]["id"]) or batch.cursor
        if self._notice:
            notices.append(self._told(*self._notice))
        return self._page(events, notices, closed=batch.closed and whole)

    def _page(self, events: list[Any], notices: list[Any], *, closed: bool) -> Page:
        return {
            "events": events,
            "notices": notices,
            "next": "0" if self.cursor == START else str(self.cursor),
            "closed": closed,
        }


def _events(frames: Iterable[bytes]) -> tuple[list[dict[str, Any]], bool]:
    """The events of these frames, at least one of them and at most a page, and whether those are all."""
    events: list[dict[str, Any]] = []
    size = 0
    for message in sse.decode(frames):
        size += len(message.data)
        if events and size > PAGE_BYTES:
            return events, False
        # the data's own JSON goes on as it is: the same bytes as on a stream
        events.append({"id": message.id, "event": message.event, "data": orjson.Fragment(message.data)})
    return events, True
