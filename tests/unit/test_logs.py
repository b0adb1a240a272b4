"""Log lines: one JSON object a line, whatever the values; nothing a user or a model said."""

import json
import logging
import math
import sys
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.events import action, chunk, stage, status
from assistant.models import RequestContext
from assistant.observability.logs import FIELDS, JsonFormatter, Lines, log, write
from assistant.protocols import Removed
from assistant.task import Usage
from tests.properties import examples

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
