"""Log lines: one JSON object a line, fed by the signals; never a prompt, an answer, a token or a key.

A line is written in one go, so that those of several workers do not mix. One that cannot be written, to a full disk or a
closed pipe, is counted and hurts nobody.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from blinker import NamedSignal

from ..events import clean_value
from ..signals import (
    answer_begun,
    connected,
    drain_begun,
    emit,
    event_published,
    log_dropped,
    loop_blocked,
    processing_finished,
    processing_started,
    request_accepted,
    request_orphaned,
    request_rejected,
    request_taken_over,
    requests_removed,
    stream_closed,
    stream_opened,
)

log = logging.getLogger("assistant.events")
_package = logging.getLogger("assistant")

# orjson knows more types than JSON has; a line names those by their type.
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS

# How lines can look.
FORMATS = ("auto", "json", "text")
# Standard error, whatever Python's object of that name writes to.
_STDERR = 2
# Stalls of the loop that get a line: at most one in this time; seconds. All of them are counted.
_BREATH = 1.0
# Users whose hashes are remembered.
_HASHES = 4096
# Where a record carries the fields of its line.
FIELDS = "assistant_fields"
# What all milestones have in common, as any formatter expects it of a record.
_ORIGIN = logging.LogRecord(log.name, logging.INFO, "", 0, "", (), None).__dict__


class JsonFormatter(logging.Formatter):
    """One line a record, whatever the values hold: JSON escapes line breaks and control characters."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _moment(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "worker": record.process,
            **getattr(record, FIELDS, {}),
        }
        if hasattr(record, "request_id"):
            line["request_id"] = record.request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, option=_STRICT).decode()
        except TypeError:  # a value that JSON does not know, or text that is none
            return orjson.dumps({_encodable(str(name)): _encodable(value) for name, value in line.items()}).decode()


_JSON = JsonFormatter()


class Milestone(logging.LogRecord):
    """The record of a line that no piece of code has said: where it was called from is not looked up, and costs nothing."""

    def __init__(self, event: str, fields: dict[str, Any], level: int = logging.INFO) -> None:
        created = time.time()
        self.__dict__ = {
            **_ORIGIN,
            "msg": event,
            "created": created,
            "msecs": created % 1 * 1000,
            "process": os.getpid(),
            FIELDS: fields,
        }
        if level != logging.INFO:
            self.levelno, self.levelname = level, logging.getLevelName(level)


def _moment(seconds: float) -> str:
    """`seconds` since 1970 as ISO 8601 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}+00:00"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _encodable(value: Any) -> Any:
    """The value as JSON can carry it; of what has no JSON form, or is too deep, the name of its type."""
    if isinstance(value, str) and value.isascii():  # nearly always
        return value
    try:
        return clean_value(value)
    except (TypeError, ValueError):
        return type(value).__name__


class TextFormatter(logging.Formatter):
    """For people at a terminal: the moment, how bad, what, then the fields. No value begins a line or moves the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {**getattr(record, FIELDS, {})}
        if hasattr(record, "request_id"):
            fields["request_id"] = record.request_id
        shown = [_plain(record.getMessage()), *(f"{_plain(name)}={_plain(value)}" for name, value in fields.items())]
        line = f"{_moment(record.created)[11:23]} {record.levelname.lower():<7} {'  '.join(shown)}"
        if record.exc_info:
            line += "".join("\n    " + _plain(part) for part in self.formatException(record.exc_info).split("\n"))
        return line


def _plain(value: object) -> str:
    """The value as printable text on one line."""
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class LineHandler(logging.Handler):
    """Writes to standard error, past Python's buffers."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Takes no lock, which a line that is written in one go does not need."""
        kept: bool | logging.LogRecord = not self.filters or self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)  # from Python 3.12 on it may be another
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _put((self.formatter or _JSON).format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        emit(log_dropped, None, lines=1)


def _put(line: str) -> None:
    data = line.encode(errors="replace") + b"\n"
    while data:
        data = data[os.write(_STDERR, data) :]


def configure(format: str = "auto", level: int = logging.INFO) -> None:
    """Sends the lines of this package to standard error; a host app that has handlers of its own keeps them."""
    if not _package.handlers:
        _package.addHandler(LineHandler())
        _package.setLevel(level)
        _package.propagate = False
    for handler in _package.handlers:
        if isinstance(handler, LineHandler):
            handler.setFormatter(_formatter(format))
    # a line names its process and its time; what else a record looks up by itself would cost as much as the line
    logging.logThreads = logging.logMultiprocessing = False


def _formatter(format: str) -> logging.Formatter:
    return TextFormatter() if format == "text" or (format == "auto" and _in_terminal()) else JsonFormatter()


def _in_terminal() -> bool:
    try:
        return os.isatty(_STDERR)
    except OSError:  # closed
        return False


def write_now(event: str, level: int, **fields: Any) -> None:
    """One line past `logging` and its locks, from any thread; for what must be told while the loop stands still."""
    formatter = next((one.formatter for one in _package.handlers if isinstance(one, LineHandler)), None)
    with suppress(OSError):
        _put((formatter or _JSON).format(Milestone(event, fields, level)))


def listen(app: Any) -> None:
    """Writes a line for each milestone of the requests of `app`."""
    lines = Lines(app)
    receivers: dict[NamedSignal, Callable[..., None]] = {
        request_accepted: lines.accepted,
        request_rejected: lines.rejected,
        processing_started: lines.started,
        answer_begun: lines.begun,
        event_published: lines.published,
        processing_finished: lines.finished,
        request_orphaned: lines.orphaned,
        request_taken_over: lines.taken_over,
        stream_opened: lines.opened,
        stream_closed: lines.closed,
        requests_removed: lines.removed,
        drain_begun: lines.draining,
        loop_blocked: lines.blocked,
    }
    app.extensions["assistant-logs"] = lines, connected(receivers, app)


class Lines:
    """The receivers of one app."""

    def __init__(self, app: Any) -> None:
        key = app.config.get("JWT_SECRET_KEY") or app.secret_key or b""
        self._key = hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
        self._hash = lru_cache(maxsize=_HASHES)(self._hashed)
        self._blocked_at, self._unsaid = -_BREATH, 0

    def accepted(self, _: Any, *, ctx: Any, removed: int) -> None:
        self._line("request.created", ctx, bytes=ctx.size, prompt_chars=len(ctx.prompt), hidden_removed=removed)

    def rejected(self, _: Any, *, user_id: str | None, mode: str | None, code: str) -> None:
        write("request.rejected", user_hash=user_id and self._hash(user_id), mode=mode, code=code)

    def started(self, _: Any, *, ctx: Any) -> None:
        self._line("request.started", ctx)

    def begun(self, _: Any, *, ctx: Any, seconds: float) -> None:
        self._line("request.first_chunk", ctx, ttfc=seconds)

    def published(self, _: Any, *, ctx: Any, event: Any, event_id: str) -> None:
        data = event.data
        if event.name == "stage":
            self._line("request.stage", ctx, event_id=event_id, stage=data["stage"], state=data["state"])
        elif event.name == "action":
            self._line("request.action", ctx, event_id=event_id, action=data["name"], phase=data["phase"])

    def finished(self, _: Any, *, ctx: Any, run: Any, result: Any, event: Any, usage: Any) -> None:
        failed = event.name == "error"
        self._line(
            "request.failed" if failed else "request.completed",
            ctx,
            outcome="failed" if failed else result["outcome"],
            code=result["code"] if failed else None,
            model=run.model or None,
            ttfc=usage.first_chunk,
            duration=usage.duration,
            events=usage.events,
            chunks=usage.chunks,
            bytes=usage.bytes,
            viewers=usage.viewers,
            stopping=usage.stopping,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )

    def orphaned(self, _: Any, *, ctx: Any, event: Any) -> None:
        self._line("request.failed", ctx, outcome="failed", code=event.data["code"], orphaned=True)

    def taken_over(self, _: Any, *, ctx: Any, result: str) -> None:
        self._line("request.taken_over", ctx, result=result)

    def opened(self, _: Any, *, ctx: Any, cursor: str, reset: bool) -> None:
        self._line("stream.opened" if cursor == "0-0" else "stream.resumed", ctx, cursor=cursor, reset=reset or None)

    def closed(self, _: Any, *, ctx: Any, reason: str, cursor: str, **facts: Any) -> None:
        self._line("stream.closed", ctx, end_reason=reason, cursor=cursor, **facts)

    def removed(self, _: Any, *, removed: Any, reasons: Any) -> None:
        write("cleanup", removed=len(removed), **reasons)

    def draining(self, _: Any, *, running: int) -> None:
        write("drain", running=running)

    def blocked(self, _: Any, *, seconds: float, stack: Any) -> None:
        """A loop that is overloaded stands still again and again: the lines of that must not add to it."""
        now = time.monotonic()
        if now - self._blocked_at < _BREATH:
            self._unsaid += 1
            return
        write("loop.blocked", logging.WARNING, duration=seconds, stack=stack, over=True, unsaid=self._unsaid or None)
        self._blocked_at, self._unsaid = now, 0

    def _line(self, event: str, ctx: Any, **fields: Any) -> None:
        write(
            event,
            request_id=ctx.request_id,
            user_hash=self._hash(ctx.user_id),
            mode=ctx.mode,
            attempt=ctx.attempt,
            **fields,
        )

    def _hashed(self, user_id: str) -> str:
        """The same user, the same hash, on every worker of this deployment; nobody can guess back."""
        return hashlib.blake2b(user_id.encode(errors="surrogatepass"), key=self._key, digest_size=6).hexdigest()


def write(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line with the fields that have a value."""
    if log.isEnabledFor(level):
        log.handle(Milestone(event, {name: value for name, value in fields.items() if value is not None}, level))
