"""Life: what a registry knows of one running request besides its log, and the clocks that end it."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import Settings
from ..events import Event
from ..models import RequestContext, Status
from ..protocols import Inbox


@dataclass(slots=True, eq=False, kw_only=True)
class Life:
    """Moments are monotonic seconds. `last_event`, `answering_since` and `left` begin at the creation."""

    ctx: RequestContext
    created: float
    last_event: float
    answering_since: float | None  # None once the first part of the answer is out
    left: float  # when the last viewer went, or the creation
    status: Status = Status.ACCEPTED
    inbox: Inbox | None = None
    stop_reason: str | None = None
    viewers: int = 0
    views: int = 0  # viewers that have come, in all
    ended: float = 0.0
    look_in: int = 0  # the second of its next look, for a registry that has an Agenda

    def note(self, event: Event, now: float) -> None:
        """Keeps the facts that follow from the newest event."""
        self.last_event = now
        if event.name == "response_chunk":
            self.answering_since = None
        elif event.name == "status":
            was, self.status = self.status, Status(event.data["state"])
            if was is Status.WAITING_ACTION and self.answering_since is not None:
                self.answering_since = now  # the wait was the page's, not the model's

    def late(self, limits: Settings, now: float) -> str | None:
        """The error that the request has earned, the hardest first."""
        return next((code for code, moment in self._clocks(limits) if now >= moment), None)

    def quiet_until(self, limits: Settings) -> float:
        """It is not late before. Events move its clocks on; a new status and a viewer's leaving begin others."""
        return min(moment for _, moment in self._clocks(limits))

    def _clocks(self, limits: Settings) -> list[tuple[str, float]]:
        """The clocks of the protocol that run now, and when each is over."""
        clocks = [("deadline_exceeded", self.created + limits.deadline)]
        if self.status is not Status.WAITING_ACTION:  # then the action's own clock runs
            if self.answering_since is not None:
                clocks.append(("provider_timeout", self.answering_since + limits.first_chunk_timeout))
            clocks.append(("expired", self.last_event + limits.request_ttl))
        if not self.viewers:
            patience = limits.abandon_timeout if self.views else limits.unwatched_timeout
            clocks.append(("abandoned", self.left + patience))
        return clocks

    def shown(self, *, closed: bool) -> Status:
        """The status as others see it: a cancel shows until the end."""
        return Status.CANCELLING if self.stop_reason == "cancelled" and not closed else self.status


def end_of(terminal: Event) -> Status:
    """The status that a terminal event ends in."""
    if terminal.name == "error":
        return Status.FAILED
    return Status.CANCELLED if terminal.data["outcome"] == "cancelled" else Status.COMPLETED
