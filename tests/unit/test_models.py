"""Ids, cursors and the shape of bodies."""

import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assistant.models import (
    START,
    AssistantRequest,
    Cursor,
    ModeContext,
    ResultReply,
    Status,
    is_request_id,
    new_request_id,
    parse_cursor,
)
from tests.properties import examples

_ID = "20261122T081438348Z-87c883ea-0e81-446a-a40e-c7f977065256"


def test_an_id_tells_its_moment_and_is_a_true_uuid_4() -> None:
    request_id = new_request_id(1_795_335_278_048)

    moment, _, unique = request_id.partition("-")
    assert moment == "20261122T081438048Z"
    assert (uuid.UUID(unique).version, uuid.UUID(unique).variant) == (4, uuid.RFC_4122)
    assert is_request_id(request_id)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_request_id(0) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    "text",
    ["", _ID.upper(), _ID + "\n", " " + _ID, _ID + "0", _ID[:-1], _ID.replace("-446a", "-146a"), _ID.replace("a40e", "c40e"),
     _ID.replace("2026", "٢٠٢٦"), _ID.replace("T", "t"), _ID.replace("-", "_"), _ID + "\0", "../" + _ID, "87c883ea"],
)  # fmt: skip
def test_what_is_nearly_an_id_is_none(text: str) -> None:
    assert is_request_id(_ID)
    assert not is_request_id(text)


@pytest.mark.parametrize(
    ("text", "cursor"), [("0", START), ("1-1", (1, 1)), ("12-345", (12, 345)), ("1-" + "9" * 18, (1, 10**18 - 1))]
)
def test_a_cursor_is_an_event_id_or_zero(text: str, cursor: tuple[int, int]) -> None:
    assert parse_cursor(text) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "1", "-1", "1-", "-1-1", "1--1", "1-1-1", "1-1\n", " 1-1", "1-1 ", "+1-1", "1-+1", "1_0-1", "0x1-1", "1.0-1", "00",
     "١-١", "¹-¹", "1-" + "9" * 19, "9223372036854775808-1", "1-1\0", "null", "1-1" * 1_000_000],
    ids=lambda text: repr(text[:24]),
)  # fmt: skip
def test_what_is_nearly_a_cursor_is_none(text: str) -> None:
    assert parse_cursor(text) is None


@examples(200)
@given(st.text(st.sampled_from("0123456789-+ \n٣a"), max_size=12))
def test_a_cursor_reads_as_the_pair_of_numbers_it_is(text: str) -> None:
    named = re.fullmatch(r"([0-9]+)-([0-9]+)", text, re.ASCII)

    assert parse_cursor(text) == ((int(named[1]), int(named[2])) if named else START if text == "0" else None)


@examples(100)
@given(*[st.tuples(st.integers(0, 10**17), st.integers(0, 10**17))] * 2)
def test_cursors_compare_as_pairs_of_numbers_and_survive_their_text(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    first, second = Cursor(*one), Cursor(*other)

    assert (first < second) == (one < other)
    assert parse_cursor(str(first)) == first
    assert Cursor(2, 9) < Cursor(2, 10) < Cursor(10, 1)


def test_three_states_are_ends() -> None:
    assert [state for state in Status if state.ended] == ["completed", "cancelled", "failed"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "x"},
        {"mode": "chat"},
        {"prompt": "", "mode": "chat"},
        {"prompt": 1, "mode": "chat"},
        {"prompt": None, "mode": "chat"},
        {"prompt": ["x"], "mode": "chat"},
        *({"prompt": "x", "mode": mode} for mode in ("", "Chat", "chat\n", "1chat", "a b", "ch/at", "c" * 65, 7, None)),
        {"prompt": "x", "mode": "chat", "track_id": ""},
        {"prompt": "x", "mode": "chat", "track_id": "t" * 129},
        {"prompt": "x", "mode": "chat", "track_id": 5},
        {"prompt": "x", "mode": "chat", "context": []},
        {"prompt": "x", "mode": "chat", "context": "{}"},
        {"prompt": "x", "mode": "chat", "user_id": "someone"},
        {"prompt": "x", "mode": "chat", "stream": True},
    ],
)
def test_a_body_of_another_shape_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AssistantRequest.model_validate(body)


def test_a_body_may_leave_out_what_is_optional() -> None:
    body = AssistantRequest.model_validate({"prompt": "x", "mode": "my-mode_2"})

    assert (body.track_id, body.context) == (None, None)


@pytest.mark.parametrize(
    "context",
    [{"history": [{"role": "system", "content": "x"}]}, {"history": [{"role": "user"}]}, {"content": 5}, {"actions": [1]},
     {"history": [{"role": "user", "content": "x"}] * 1_001}, {"actions": ["a"] * 101}, {"history": None}],
    ids=lambda context: repr(context)[:40],
)  # fmt: skip
def test_a_context_that_the_built_in_modes_cannot_read_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModeContext.model_validate(context)


def test_other_keys_of_a_context_are_the_teams_own() -> None:
    assert ModeContext.model_validate({"content": "x", "bpm": 120, "deep": {"er": []}}).content == "x"


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    for model, body in (
        (AssistantRequest, {"prompt": ["canary"], "mode": "canary!"}),
        (ModeContext, {"history": [{"role": "canary", "content": ["canary"]}]}),
        (ResultReply, {"status": "canary"}),
    ):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body)

        assert "canary" not in str(refused.value)
