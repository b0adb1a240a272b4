"""The signals a team can listen to, and `emit`, which guards the sender from a receiver's failure.

The sender is the Flask app. Every signal but the per-connection ones is sent inside an app context.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace
from greenlet import GreenletExit

log = logging.getLogger("assistant.signals")

_signals = Namespace()

request_accepted = _signals.signal("assistant-request-accepted", "ctx, removed: a request was admitted")
request_rejected = _signals.signal("assistant-request-rejected", "user_id, mode, code: a POST was refused")
processing_started = _signals.signal("assistant-processing-started", "ctx: its greenlet has begun")
event_published = _signals.signal("assistant-event-published", "ctx, event, event_id: stage, status and action only")
processing_finished = _signals.signal(
    "assistant-processing-finished", "ctx, run, result, usage: the terminal event is out"
)
stream_opened = _signals.signal("assistant-stream-opened", "ctx, cursor: a viewer came")
stream_closed = _signals.signal("assistant-stream-closed", "ctx, reason, cursor, bytes, duration: a viewer left")
requests_removed = _signals.signal("assistant-requests-removed", "removed: the janitor dropped logs")


def emit(signal: NamedSignal, sender: Any, **facts: Any) -> None:
    """Sends a signal; a receiver that raises is logged and hurts nobody else."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, **facts)
        except GreenletExit:  # the sender itself is being killed
            raise
        except BaseException:  # also a leaked gevent.Timeout or a sys.exit()
            log.exception("a receiver of %s failed", signal.name)
