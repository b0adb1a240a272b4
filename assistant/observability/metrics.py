"""Metrics for Prometheus, counted from the signals alone; the names are those of docs/reference/metrics.md.

No label ever holds what a client chose: modes are registered ones, codes those of errors.py, everything else is a word of
ours. So the number of series has a bound, whatever is sent. `prometheus_client` is imported when metrics are made: one
worker counts in memory, several in files that they share, and which of the two is decided at that import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, NamedTuple

from blinker import NamedSignal

from ..errors import CODES
from ..signals import (
    answer_begun,
    connected,
    event_published,
    log_dropped,
    loop_blocked,
    loop_ticked,
    processing_finished,
    processing_lost,
    request_accepted,
    request_orphaned,
    request_rejected,
    request_taken_over,
    requests_removed,
    store_answered,
    store_failed,
    stream_closed,
    stream_opened,
    stream_refused,
)

# Where prometheus_client looks for the folder of a server with several workers.
SHARED = "PROMETHEUS_MULTIPROC_DIR"

_PREFIX = "assistant_"
_END_REASONS = frozenset({"ended", "client_gone", "stalled", "draining", "auth_expired"})
_UPSTREAM = frozenset({"ok", "stopped", "error"})
_START = "0-0"


class _Family(NamedTuple):
    """One metric: its kind, what it counts, its labels, and the bounds of a histogram's buckets."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Few buckets on purpose: each is a series for every mode and outcome.
FAMILIES: Mapping[str, _Family] = {
    "requests_total": _Family("Counter", "Requests that have ended.", ("mode", "outcome")),
    "requests_active": _Family("Gauge", "Requests that run.", ("state",)),
    "request_duration_seconds": _Family(
        "Histogram", "From a request's start to its end.", ("mode", "outcome"), (1, 5, 20, 60)
    ),
    "time_to_first_chunk_seconds": _Family(
        "Histogram", "From a request's start to the first part of its answer.", ("mode",), (0.5, 1, 2.5, 10)
    ),
    "chunk_interval_seconds": _Family(
        "Histogram", "Mean time between two chunks of a request.", (), (0.01, 0.05, 0.25, 1)
    ),
    "chunks_total": _Family("Counter", "Chunks of answers."),
    "events_total": _Family("Counter", "Events in the logs of requests that have ended.", ("type",)),
    "stream_connections": _Family("Gauge", "Open streams."),
    "stream_connection_duration_seconds": _Family(
        "Histogram", "How long streams were open.", ("end_reason",), (10, 60)
    ),
    "stream_resumes_total": _Family("Counter", "Streams that began at a cursor.", ("result",)),
    "errors_total": _Family("Counter", "Requests that ended in an error.", ("code",)),
    "rejected_total": _Family("Counter", "POSTs and streams that were refused.", ("reason",)),
    "upstream_requests_total": _Family("Counter", "Calls to the model.", ("provider", "outcome")),
    "registry_operation_seconds": _Family("Histogram", "What the store took.", ("op",), (0.001, 0.01, 0.1)),
    "registry_errors_total": _Family("Counter", "What the store did not do.", ("kind",)),
    "takeovers_total": _Family("Counter", "Requests of lost workers that were taken over.", ("result",)),
    "fenced_writes_total": _Family("Counter", "Requests whose former worker was refused its writes."),
    "janitor_removed_total": _Family("Counter", "Ended requests whose logs were dropped.", ("reason",)),
    "loop_lag_seconds": _Family("Histogram", "How late the loop was.", (), (0.01, 0.1, 1)),
    "loop_blocked_total": _Family("Counter", "How often the loop stood still for too long."),
    "cancel_to_upstream_close_seconds": _Family(
        "Histogram", "From a cancel to the end of its handler and of its connection to the model.", (), (0.05, 0.25, 1)
    ),
    "log_dropped_total": _Family("Counter", "Log lines that could not be written."),
    "build_info": _Family("Gauge", "1; what runs here.", ("version",)),
}


def available() -> bool:
    """Whether prometheus_client is installed; without it there are no metrics, and nothing else is missing."""
    return find_spec("prometheus_client") is not None


def listen(app: Any, registry: Any, provider: str) -> Metrics | None:
    """The metrics of an app, counting from now on; None without prometheus_client."""
    if not available():
        return None
    metrics = Metrics(provider)
    metrics.connections = connected(metrics.receivers(), app)
    store_answered.connect(metrics.answered, sender=registry)
    store_failed.connect(metrics.failed, sender=registry)
    log_dropped.connect(metrics.dropped)
    return metrics


class Metrics:
    """The receivers of one app, and what they have counted. `provider` names its model provider."""

    def __init__(self, provider: str) -> None:
        # files are the process's, one value a name: two apps in it must count with the same objects
        self._families, self._source = _shared() if os.environ.get(SHARED) else _made()
        self._provider = provider
        self.connections: list[Callable[..., None]] = []  # signals hear of no receiver that nobody holds
        self._series: dict[tuple[str, ...], Any] = {}  # each looked up once, which takes a lock
        self._states: dict[str, str] = {}  # of the requests that run here
        self._of("build_info", _version()).set(1)

    def receivers(self) -> dict[NamedSignal, Callable[..., None]]:
        """What hears which signal of the app."""
        return {
            request_accepted: self.accepted,
            request_rejected: self.rejected,
            answer_begun: self.begun,
            event_published: self.published,
            processing_finished: self.finished,
            processing_lost: self.lost,
            request_orphaned: self.orphaned,
            request_taken_over: self.taken_over,
            requests_removed: self.removed,
            stream_opened: self.opened,
            stream_closed: self.closed,
            stream_refused: self.refused,
            loop_ticked: self.ticked,
            loop_blocked: self.blocked,
        }

    def scrape(self) -> tuple[bytes, str]:
        """All series as text and its media type; with several workers those of all of them."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Any]:
        """Our metrics alone: the folder may hold those of the app around us. Nobody asks when a series was created."""
        for metric in self._source().collect():
            if metric.name.startswith(_PREFIX):
                metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
                yield metric

    # --- requests ---
    def accepted(self, _: Any, *, ctx: Any, **__: Any) -> None:
        self._move(ctx.request_id, "accepted")

    def rejected(self, _: Any, *, code: str, **__: Any) -> None:
        self._of("rejected_total", _code(code)).inc()

    def begun(self, _: Any, *, ctx: Any, seconds: float) -> None:
        self._of("time_to_first_chunk_seconds", ctx.mode).observe(seconds)

    def published(self, _: Any, *, ctx: Any, event: Any, **__: Any) -> None:
        if event.name == "status":
            self._move(ctx.request_id, event.data["state"])

    def finished(self, _: Any, *, ctx: Any, run: Any, result: Any, event: Any, usage: Any) -> None:
        self._ended(ctx, event)
        self._of("request_duration_seconds", ctx.mode, _outcome(event)).observe(usage.duration)
        self._of("chunks_total").inc(usage.chunks)
        for name, count in usage.kinds.items():
            self._of("events_total", name).inc(count)
        for outcome, count in run.upstream.items():
            known = outcome if outcome in _UPSTREAM else _code(outcome)
            self._of("upstream_requests_total", self._provider, known).inc(count)
        if usage.chunk_interval is not None:
            self._of("chunk_interval_seconds").observe(usage.chunk_interval)
        if usage.stopping is not None and _outcome(event) == "cancelled":
            self._of("cancel_to_upstream_close_seconds").observe(usage.stopping)

    def lost(self, _: Any, *, ctx: Any, fenced: bool) -> None:
        self._move(ctx.request_id, None)
        if fenced:
            self._of("fenced_writes_total").inc()

    def orphaned(self, _: Any, *, ctx: Any, event: Any) -> None:
        self._ended(ctx, event)

    def taken_over(self, _: Any, *, result: str, **__: Any) -> None:
        self._of("takeovers_total", result).inc()

    def removed(self, _: Any, *, reasons: Mapping[str, int], **__: Any) -> None:
        for reason, count in reasons.items():
            self._of("janitor_removed_total", reason).inc(count)

    # --- streams ---
    def opened(self, _: Any, *, cursor: str, reset: bool, **__: Any) -> None:
        self._of("stream_connections").inc()
        if cursor != _START:
            self._of("stream_resumes_total", "reset" if reset else "resumed").inc()

    def closed(self, _: Any, *, reason: str, duration: float, **__: Any) -> None:
        self._of("stream_connections").dec()
        known = reason if reason in _END_REASONS else "other"
        self._of("stream_connection_duration_seconds", known).observe(duration)

    def refused(self, _: Any, *, cursor: str, code: str, **__: Any) -> None:
        self._of("rejected_total", _code(code)).inc()
        if cursor not in ("", "0", _START):
            self._of("stream_resumes_total", "refused").inc()

    # --- the store and the process ---
    def answered(self, _: Any, *, op: str, seconds: float) -> None:
        self._of("registry_operation_seconds", op).observe(seconds)

    def failed(self, _: Any, *, kind: str, **__: Any) -> None:
        self._of("registry_errors_total", kind).inc()

    def ticked(self, _: Any, *, lag: float) -> None:
        self._of("loop_lag_seconds").observe(lag)

    def blocked(self, _: Any, **__: Any) -> None:
        self._of("loop_blocked_total").inc()

    def dropped(self, _: Any, *, lines: int) -> None:
        self._of("log_dropped_total").inc(lines)

    # --- inside ---
    def _ended(self, ctx: Any, event: Any) -> None:
        self._move(ctx.request_id, None)
        self._of("requests_total", ctx.mode, _outcome(event)).inc()
        if event.name == "error":
            self._of("errors_total", _code(event.data["code"])).inc()

    def _move(self, request_id: str, state: str | None) -> None:
        """The request is in this state from now on; None once it has ended."""
        was = self._states.pop(request_id, None)
        if was is not None:
            self._of("requests_active", was).dec()
        if state is not None:
            self._states[request_id] = state
            self._of("requests_active", state).inc()

    def _of(self, *series: str) -> Any:
        """The series of a name and its labels."""
        found = self._series.get(series)
        if found is None:
            name, *labels = series
            family = self._families[name]
            found = self._series[series] = family.labels(*labels) if labels else family
        return found


def _made() -> tuple[dict[str, Any], Callable[[], Any]]:
    """The families, and how to get at what all workers have counted."""
    import prometheus_client
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = prometheus_client.CollectorRegistry()
    families = {}
    for name, family in FAMILIES.items():
        more: dict[str, Any] = {"buckets": family.buckets} if family.buckets else {}
        if family.kind == "Gauge":  # of workers that live: what a killed one held is held no more
            more["multiprocess_mode"] = "mostrecent" if name == "build_info" else "livesum"
        make = getattr(prometheus_client, family.kind)
        families[name] = make(_PREFIX + name, family.help, family.labels, registry=registry, **more)
    if os.environ.get(SHARED):
        return families, lambda: MultiProcessCollector(None)  # type: ignore[no-untyped-call]
    return families, lambda: registry


_shared = cache(_made)


def _outcome(event: Any) -> str:
    return "failed" if event.name == "error" else str(event.data["outcome"])


def _code(code: str) -> str:
    return code if code in CODES else "other"


def _version() -> str:
    try:
        return version("assistant-server")
    except PackageNotFoundError:  # run from its source
        return "0"
