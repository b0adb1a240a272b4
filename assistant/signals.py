"""The signals a team can listen to, and `emit`, which guards the sender from a receiver's failure.

The sender is the Flask app; of the `store_` signals it is the registry, and `log_dropped` has none. Every signal but those
of connections, of the store and of the process is sent inside an app context.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from blinker import NamedSignal, Namespace
from greenlet import GreenletExit

log = logging.getLogger("assistant.signals")

_signals = Namespace()

# --- requests ---
request_accepted = _signals.signal("assistant-request-accepted", "ctx, removed: a request was admitted")
request_rejected = _signals.signal("assistant-request-rejected", "user_id, mode, code: a POST was refused")
processing_started = _signals.signal("assistant-processing-started", "ctx: its greenlet has begun")
answer_begun = _signals.signal("assistant-answer-begun", "ctx, seconds: the first part of the answer is out")
event_published = _signals.signal("assistant-event-published", "ctx, event, event_id: stage, status and action only")
processing_finished = _signals.signal(
    "assistant-processing-finished", "ctx, run, result, event, usage: the terminal event is out"
)
processing_lost = _signals.signal(
    "assistant-processing-lost", "ctx, fenced: somebody else had ended the request, or taken it over (fenced)"
)
request_orphaned = _signals.signal("assistant-request-orphaned", "ctx, event: a request without a runner was ended")
request_taken_over = _signals.signal(
    "assistant-request-taken-over", "ctx, result: the request of a lost worker was restarted or ended"
)
requests_removed = _signals.signal("assistant-requests-removed", "removed, reasons: the janitor dropped logs")

# --- streams ---
stream_opened = _signals.signal("assistant-stream-opened", "ctx, cursor, reset: a viewer came")
stream_closed = _signals.signal("assistant-stream-closed", "ctx, reason, cursor, bytes, duration: a viewer left")
stream_refused = _signals.signal(
    "assistant-stream-refused", "user_id, cursor, code: a viewer was turned away; the cursor is `?` when it was none"
)

# --- the store: for registries that talk to a server ---
store_answered = _signals.signal("assistant-store-answered", "op, seconds: the store did what it was asked")
store_failed = _signals.signal("assistant-store-failed", "op, kind: the store did not do it")
store_changed = _signals.signal("assistant-store-changed", "up: the store was found, or lost")

# --- the process ---
limits_changed = _signals.signal("assistant-limits-changed", "shared: rates are counted together, or by each worker")
drain_begun = _signals.signal("assistant-drain-begun", "running: nothing new is accepted from now on")
loop_ticked = _signals.signal("assistant-loop-ticked", "lag: how late the loop was, several times a second")
loop_blocked = _signals.signal("assistant-loop-blocked", "seconds, stack: the loop stood still")
log_dropped = _signals.signal("assistant-log-dropped", "lines: what could not be written")


def connected(receivers: Mapping[NamedSignal, Callable[..., None]], sender: Any) -> list[Callable[..., None]]:
    """Connects each signal of this sender with its receiver, for as long as what this returns is held.

    Signals hold receivers weakly. To look at a method that is held so takes blinker two calls in Python, at a `partial` none.
    """
    held: list[Callable[..., None]] = []
    for signal, receiver in receivers.items():
        held.append(partial(receiver))
        signal.connect(held[-1], sender=sender)
    return held


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
