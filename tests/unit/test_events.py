"""Constructors of events: whatever goes in, what comes out encodes, or the constructor says no."""

import enum
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import sse
from assistant.events import NAMES, STATES, TERMINAL, Ask, action, ask, chunk, clean_text, clean_value, stage, status
from assistant.models import Status
from tests.properties import examples

_ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=30)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ANY_TEXT | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@examples(200)
@given(_ANYTHING)
def test_every_payload_encodes_and_cleaning_twice_changes_nothing(value: Any) -> None:
    clean = clean_value(value)

    assert clean_value(clean) == clean
    assert sse.loads(sse.dumps(clean)) == clean


@examples(200)
@given(_ANY_TEXT)
def test_only_lone_surrogates_are_replaced(text: str) -> None:
    clean = clean_text(text)

    clean.encode()
    assert [c for c in clean if c != "\ufffd"] == [
        c for c in _joined(text) if not "\ud800" <= c <= "\udfff" and c != "\ufffd"
    ]
    assert _joined(text) != text or len(clean) == len(text)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\ud800", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ud800\ud800x", "\ufffd\ufffdx"),
        ("plain", "plain"),
    ],
)
def test_surrogates_become_replacement_characters_or_the_pair_they_are(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


class _Colour(enum.StrEnum):
    RED = "red"


class _Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (math.nan, None),
        (math.inf, None),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (2**64 - 1, 2**64 - 1),
        (True, True),
        ((1, 2), [1, 2]),
        ({1: None, None: 1}, {"1": None, "None": 1}),
        (_Colour.RED, "red"),
        (_Number.ONE, 1),
    ],
)
def test_values_take_their_json_form(value: Any, clean: Any) -> None:
    assert clean_value(value) == clean
    assert type(clean_value(value)) is type(clean)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), [lambda: None], {"x": 1j}])
def test_what_has_no_json_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        clean_value(value)


def test_what_is_nested_too_deep_is_refused_and_does_not_exhaust_the_stack() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(ValueError, match="nested deeper"):
        clean_value(deep)


def test_a_stage_leaves_out_what_is_not_given() -> None:
    assert stage("reading").data == {"stage": "reading", "label": "reading", "state": "started"}
    assert stage("r", "R", state="finished", index=1, total=2, progress=1, detail="d").data == {
        "stage": "r", "label": "R", "state": "finished", "index": 1, "total": 2, "progress": 1, "detail": "d"
    }  # fmt: skip


@pytest.mark.parametrize("progress", [-0.1, 1.1, math.nan, math.inf])
def test_progress_is_from_zero_to_one(progress: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        stage("x", progress=progress)


def test_a_stage_has_one_of_four_states() -> None:
    with pytest.raises(ValueError, match="not a state of a stage"):
        stage("x", state="done")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", sorted(STATES))
def test_a_status_has_one_of_the_states_of_a_running_request(state: str) -> None:
    assert status(state).data == {"state": state}
    assert not Status(state).ended


@pytest.mark.parametrize("state", ["completed", "cancelled", "failed", "reset", "draining", "", "Running"])
def test_no_status_can_pretend_an_end_or_a_notice(state: str) -> None:
    with pytest.raises(ValueError, match="not a state of a running request"):
        status(state)


def test_a_chunk_says_what_its_appendix_is() -> None:
    assert chunk("hi").data == {"text": "hi", "part": "text"}
    assert chunk("x", "appendix", kind="code", language="abc").data == {
        "text": "x", "part": "appendix", "kind": "code", "language": "abc"
    }  # fmt: skip


def test_a_chunk_is_a_text_of_a_known_part() -> None:
    with pytest.raises(TypeError):
        chunk(b"x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a part"):
        chunk("x", "footnote")  # type: ignore[arg-type]


def test_an_ask_is_an_action_that_is_waited_for() -> None:
    asked, told = ask("show", {"x": math.nan}, timeout=2.0), action("show")

    assert isinstance(asked, Ask)
    assert (asked.name, asked.data) == ("action", {"name": "show", "args": {"x": None}, "timeout": 2.0})
    assert not isinstance(told, Ask)
    assert (told.name, told.data) == ("action", {"name": "show", "args": {}})


def test_two_of_the_six_events_are_terminal() -> None:
    assert len(NAMES) == 6
    assert set(NAMES) > TERMINAL == {"complete", "error"}
    assert not any(event.terminal for event in (stage("x"), status("running"), chunk("x"), action("x")))


def _joined(text: str) -> str:
    """The text with pairs of surrogates as the characters they are."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
