"""The state of one action, and what a declared action lets through."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from assistant.actions import ActionSpec, ActionState, Verdict, Wants
from assistant.errors import ValueRefused
from assistant.models import ActionReply, ClaimReply, ResultReply
from tests.properties import examples

_LATE = 1_000


class Track(BaseModel):
    bpm: int
    title: str = "Untitled"


_REPLIES = st.one_of(
    st.builds(ClaimReply, status=st.just("claimed"), claim=st.sampled_from(["a", "b"])),
    st.builds(
        ResultReply,
        status=st.sampled_from(["ok", "error", "denied"]),
        value=st.sampled_from([None, 1, "x"]),
        claim=st.sampled_from([None, "a", "b"]),
    ),
)


@examples(300)
@given(
    st.sampled_from(["nothing", "result", "approval"]),
    st.lists(st.tuples(_REPLIES, st.integers(0, 2 * _LATE)), max_size=8),
)
def test_an_action_has_at_most_one_claim_and_one_answer(wants: Wants, replies: list[tuple[ActionReply, int]]) -> None:
    state = ActionState("act-1", "show", wants, _LATE)
    taken: list[tuple[ActionReply, int]] = []

    for reply, now in replies:
        before = (state.phase, state.claim, state.answer)
        verdict = state.apply(reply, now)
        if verdict is Verdict.TAKEN:
            taken.append((reply, now))
        assert (verdict is Verdict.TAKEN) == (before != (state.phase, state.claim, state.answer))

    claims = [reply for reply, _ in taken if isinstance(reply, ClaimReply)]
    answers = [reply for reply, _ in taken if isinstance(reply, ResultReply)]
    assert len(claims) <= 1
    assert len(answers) <= 1
    assert all(now < _LATE for _, now in taken)
    assert not answers or taken[-1][0] is answers[0]
    if wants == "result" and answers and answers[0].status != "denied":
        assert claims


@pytest.mark.parametrize(("now", "verdict"), [(_LATE - 1, Verdict.TAKEN), (_LATE, Verdict.EXPIRED)])
def test_a_reply_is_late_from_its_moment_on(now: int, verdict: Verdict) -> None:
    claim, answer = ClaimReply(status="claimed", claim="a"), ResultReply(status="ok")

    assert ActionState("act-1", "show", "result", _LATE).apply(claim, now) is verdict
    assert ActionState("act-1", "show", "approval", _LATE).apply(answer, now) is verdict


@pytest.mark.parametrize(
    ("wants", "phase", "pending"),
    [("nothing", "proposed", True), ("nothing", "claimed", False), ("result", "claimed", True), ("approval", "claimed", True),
     ("result", "resolved", False), ("result", "expired", False)],
)  # fmt: skip
def test_an_action_is_pending_while_it_wants_something(wants: Wants, phase: Any, pending: bool) -> None:
    assert ActionState("act-1", "show", wants, _LATE, phase).pending is pending


def test_the_same_answer_is_the_same_json_whatever_its_order_of_arrival() -> None:
    state = ActionState("act-1", "show", "approval", _LATE)
    state.apply(ResultReply(status="ok", value={"x": [1, None]}), 0)

    assert state.apply(ResultReply(status="ok", value={"x": [1, None]}), 5_000) is Verdict.REPEATED
    assert state.apply(ResultReply(status="denied", value={"x": [1, None]}), 0) is Verdict.CONFLICT


def test_arguments_are_checked_and_completed() -> None:
    spec = ActionSpec("insert_track", Track)

    assert spec.check_args({"bpm": 120}) == {"bpm": 120, "title": "Untitled"}
    assert spec.schema()["required"] == ["bpm"]
    for bad in ({}, {"bpm": "fast"}, [], None, "x"):
        with pytest.raises(ValidationError):
            spec.check_args(bad)


def test_a_value_is_what_the_action_promises() -> None:
    spec = ActionSpec("choose", Track, wants="result", result=Literal["a", "b"])

    spec.check_value("a")
    with pytest.raises(ValueRefused) as refused:
        spec.check_value("canary")

    assert refused.value.status == 422
    assert "canary" not in repr(refused.value.extra)


def test_an_action_that_promises_nothing_takes_any_value() -> None:
    ActionSpec("show", Track).check_value({"any": ["thing"]})
