"""Log lines: one JSON object a line, whatever the values; nothing a user or a model said."""

import json
import logging
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gevent import monkey
from hypothesis import given
from hypothesis import strategies as st

from assistant.account import Usage
from assistant.events import action, chunk, stage, status
from assistant.models import RequestContext
from assistant.observability import logs
from assistant.observability.logs import FIELDS, JsonFormatter, LineHandler, Lines, TextFormatter, log, write
from assistant.protocols import Removed
from assistant.signals import log_dropped
from tests.properties import examples

# gevent's own closes a descriptor in the loop's next round
_close = monkey.get_original("os", "close")
_CANARY = "canary-7d1f"
_CTX = RequestContext(
    "20260101T000000000Z-00000000-0000-4000-8000-000000000001", "user-" + _CANARY, "chat", _CANARY, 0, 0, size=99,
    track_id=_CANARY, context={"content": _CANARY},
)  # fmt: skip

_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | st.complex_numbers()
    | st.text(st.characters() | st.characters(categories=["Cs"]))
    | st.sampled_from(["a\nb", "\r\n{}", "\u2028", "\0", "\x1b[31m"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3) | st.integers() | st.none(), inner, max_size=3)
    | st.sets(st.integers(), max_size=2),
    max_leaves=6,
)  # fmt: skip


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, level = Heard(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def _record(message: str, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("assistant.x", logging.WARNING, "f.py", 1, message, None, None)
    vars(record).update(extra)
    return record


@examples(200)
@given(
    st.text(st.characters() | st.characters(categories=["Cs"])),
    st.dictionaries(st.text(max_size=5), _ODD, max_size=4),
    _ODD,
)
def test_whatever_the_values_a_record_is_one_line_of_json(
    message: str, fields: dict[str, Any], request_id: Any
) -> None:
    line = JsonFormatter().format(_record(message, request_id=request_id, **{FIELDS: fields}))

    assert line.splitlines() == [line] or set(line) & {"\u2028", "\u2029", "\x85"}
    assert "\n" not in line
    assert "\r" not in line
    assert isinstance(json.loads(line), dict)


def test_a_line_says_when_how_bad_what_and_where() -> None:
    line = json.loads(
        JsonFormatter().format(_record("request.created", created=0.0, process=12, **{FIELDS: {"x": math.nan}}))
    )

    assert line == {
        "ts": "1970-01-01T00:00:00.000+00:00", "level": "warning", "event": "request.created", "logger": "assistant.x",
        "worker": 12, "x": None,
    }  # fmt: skip


def test_a_failure_stands_in_its_line() -> None:
    try:
        raise ValueError("a\nb\ud800")
    except ValueError:
        line = JsonFormatter().format(_record("broken", exc_info=sys.exc_info()))

    assert "\n" not in line
    assert "ValueError: a\nb" in json.loads(line)["exception"]


def test_the_milestones_of_a_request_are_lines_without_a_word_of_it(heard: Heard) -> None:
    lines = Lines(SimpleNamespace(config={"JWT_SECRET_KEY": _CANARY}, secret_key=None))
    usage = Usage(1.5, 0.2, 7, 3, 1_000, 11, 22)
    run = SimpleNamespace(model="m-1")

    lines.accepted(None, ctx=_CTX, removed=2)
    lines.started(None, ctx=_CTX)
    lines.published(None, ctx=_CTX, event=stage("drafting", _CANARY, detail=_CANARY), event_id="1-2")
    lines.published(None, ctx=_CTX, event=status("running", _CANARY), event_id="1-3")
    proposed = action("show", {"x": _CANARY})
    proposed.data["phase"] = "proposed"
    lines.published(None, ctx=_CTX, event=proposed, event_id="1-4")
    for name, result in (("complete", {"outcome": "completed"}), ("error", {"code": "expired", "message": _CANARY})):
        result |= {"text": _CANARY, "parts": [chunk(_CANARY).data]}
        lines.finished(None, ctx=_CTX, run=run, result=result, event=SimpleNamespace(name=name), usage=usage)
    for cursor in ("0-0", "1-3"):
        lines.opened(None, ctx=_CTX, cursor=cursor, reset=False)
    lines.closed(None, ctx=_CTX, reason="ended", cursor="1-9", bytes=5, duration=0.1)
    lines.rejected(None, user_id=_CTX.user_id, mode=None, code="rate_limited")
    removed = [Removed("a", "expired"), Removed("b", "evicted")]
    lines.removed(None, removed=removed, reasons=Counter(one.reason for one in removed))

    assert [line["event"] for line in heard.objects] == [
        "request.created", "request.started", "request.stage", "request.action", "request.completed", "request.failed",
        "stream.opened", "stream.resumed", "stream.closed", "request.rejected", "cleanup",
    ]  # fmt: skip
    assert _CANARY not in "".join(heard.lines)
    by_event = {line["event"]: line for line in heard.objects}
    assert by_event["request.created"]["prompt_chars"] == len(_CANARY)
    assert by_event["request.failed"]["code"] == "expired"
    assert by_event["request.completed"]["output_tokens"] == 22
    assert "mode" not in by_event["request.rejected"]
    assert by_event["cleanup"]["removed"] == 2
    assert len({line["user_hash"] for line in heard.objects if "user_hash" in line}) == 1


def test_a_user_has_another_hash_in_another_deployment(heard: Heard) -> None:
    for secret in ("one", "two"):
        Lines(SimpleNamespace(config={}, secret_key=secret)).rejected(None, user_id="ann\ud800", mode="chat", code="x")

    first, second = (line["user_hash"] for line in heard.objects)
    assert first != second


def test_fields_without_a_value_are_left_out(heard: Heard) -> None:
    write("x", given=0, missing=None)

    (line,) = heard.objects
    assert line["given"] == 0
    assert "missing" not in line


def test_stalls_in_a_row_are_one_line(heard: Heard) -> None:
    lines = Lines(SimpleNamespace(config={}, secret_key="x"))

    for _ in range(5):
        lines.blocked(None, seconds=0.2, stack=["a.py:1 f"])

    (line,) = heard.objects
    assert (line["event"], line["level"], line["stack"]) == ("loop.blocked", "warning", ["a.py:1 f"])


# --- for people ------------------------------------------------------------------------------------------------
@examples(200)
@given(
    st.text(st.characters() | st.characters(categories=["Cs"])),
    st.dictionaries(st.text(max_size=5), _ODD, max_size=4),
)
def test_whatever_the_values_a_line_for_people_is_one_line_and_moves_no_cursor(
    message: str, fields: dict[str, Any]
) -> None:
    line = TextFormatter().format(_record(message, **{FIELDS: fields}))

    assert line.isprintable()


def test_a_line_for_people_reads_well() -> None:
    line = TextFormatter().format(
        _record("request.created", created=3.25, request_id="r-1", **{FIELDS: {"mode": "chat", "bytes": 5}})
    )

    assert line == "00:00:03.250 warning request.created  mode=chat  bytes=5  request_id=r-1"


def test_a_failure_for_people_is_indented_so_that_it_forges_no_line() -> None:
    try:
        raise ValueError("x\n00:00:00.000 info    forged\x1b[2J")
    except ValueError:
        first, *rest = TextFormatter().format(_record("broken", exc_info=sys.exc_info())).split("\n")

    assert first.endswith("broken")
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


@pytest.mark.parametrize(
    ("wanted", "terminal", "kind"),
    [("auto", True, TextFormatter), ("auto", False, JsonFormatter), ("json", True, JsonFormatter),
     ("text", False, TextFormatter)],
)  # fmt: skip
def test_people_at_a_terminal_get_lines_for_people(
    wanted: str, terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = logging.getLogger("assistant")
    monkeypatch.setattr(package, "handlers", [LineHandler()])
    monkeypatch.setattr(logs.os, "isatty", lambda _: terminal)

    logs.configure(wanted)

    assert [type(one.formatter) for one in package.handlers] == [kind]


def test_handlers_of_the_teams_own_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = logging.NullHandler()
    package = logging.getLogger("assistant")
    monkeypatch.setattr(package, "handlers", [theirs])

    logs.configure("json")

    assert package.handlers == [theirs]
    assert theirs.formatter is None


# --- what cannot be written ------------------------------------------------------------------------------------
def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _closed_pipe() -> int:
    reading, writing = os.pipe()
    _close(reading)
    return writing


def _no_descriptor() -> int:
    descriptor = os.open("/dev/null", os.O_WRONLY)
    _close(descriptor)
    return descriptor


@pytest.mark.parametrize("target", [_full, _closed_pipe, _no_descriptor])
def test_a_line_that_cannot_be_written_is_counted_and_hurts_nobody(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor, dropped = target(), []
    monkeypatch.setattr(logs, "_STDERR", descriptor)
    handler = LineHandler()
    handler.setFormatter(JsonFormatter())

    def count(_: object, *, lines: int) -> None:
        dropped.append(lines)

    with log_dropped.connected_to(count):
        for _ in range(3):
            handler.handle(_record("x"))
    logs.write_now("x", logging.WARNING)

    assert dropped == [1, 1, 1]
    if target is not _no_descriptor:
        _close(descriptor)


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(logs, "_STDERR", writing)
    handler, written = LineHandler(), []
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(logs.os, "write", lambda _, data: written.append(bytes(data)) or len(data))

    handler.handle(_record("x" * 20_000))

    monkeypatch.undo()
    _close(reading)
    _close(writing)
    (line,) = written
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


def test_a_filter_of_the_teams_own_drops_a_line_or_changes_it(capfd: pytest.CaptureFixture[str]) -> None:
    handler = LineHandler()
    record = logging.LogRecord("assistant.x", logging.INFO, "", 0, "kept", (), None)
    other = logging.LogRecord("assistant.x", logging.INFO, "", 0, "another", (), None)

    assert handler.handle(record)
    handler.addFilter(lambda one: False)
    assert not handler.handle(record)
    handler.filter = lambda _: other  # type: ignore[method-assign, assignment, return-value] # as from Python 3.12 on
    assert handler.handle(record)

    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == ["kept", "another"]
