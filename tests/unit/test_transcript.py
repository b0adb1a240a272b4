"""What a request has said: parts are numbered, nothing is kept before it is in the log."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.events import chunk
from assistant.transcript import Transcript
from tests.properties import examples


def _say(transcript: Transcript, text: str, part: Any = "text", **about: Any) -> int:
    data = transcript.place(chunk(text, part, **about))
    transcript.keep(data)
    return int(data["index"])


def test_chunks_of_one_part_share_an_index() -> None:
    transcript = Transcript()

    indexes = [
        _say(transcript, "a"),
        _say(transcript, "b"),
        _say(transcript, "hm", "reasoning"),
        _say(transcript, "c"),
        _say(transcript, "x", "appendix", kind="code", language="py"),
        _say(transcript, "y", "appendix"),
        _say(transcript, "z", "appendix", kind="code"),
    ]

    assert indexes == [0, 0, 1, 2, 3, 3, 4]
    assert transcript.text == "abc"
    assert transcript.parts == [
        {"index": 0, "part": "text", "text": "ab"},
        {"index": 1, "part": "reasoning", "text": "hm"},
        {"index": 2, "part": "text", "text": "c"},
        {"index": 3, "part": "appendix", "kind": "code", "language": "py", "text": "xy"},
        {"index": 4, "part": "appendix", "kind": "code", "text": "z"},
    ]
    assert transcript.partial == {"text": "abc", "parts": transcript.parts}
    assert transcript.chunks == 7


def test_no_text_follows_an_appendix() -> None:
    transcript = Transcript()
    _say(transcript, "x", "appendix", kind="code")
    _say(transcript, "hm", "reasoning")

    with pytest.raises(ValueError, match="no text follows an appendix"):
        _say(transcript, "more")


def test_an_appendix_begins_with_its_kind() -> None:
    transcript = Transcript()
    _say(transcript, "text")

    with pytest.raises(ValueError, match="names its kind"):
        _say(transcript, "x", "appendix")


def test_an_appendix_goes_on_behind_reasoning_and_says_again_what_it_is() -> None:
    transcript = Transcript()
    _say(transcript, "a", "appendix", kind="file", title="old")
    _say(transcript, "x", "appendix", kind="code", language="py", title="t.py")
    _say(transcript, "hm", "reasoning")

    resumed = transcript.place(chunk("y", "appendix"))

    assert resumed == {
        "text": "y", "part": "appendix", "kind": "code", "language": "py", "title": "t.py", "index": 3
    }  # fmt: skip
    transcript.keep(resumed)
    assert _say(transcript, "z", "appendix") == 3


def test_a_chunk_is_kept_only_once_it_is_in_the_log() -> None:
    transcript = Transcript()

    transcript.place(chunk("refused"))

    assert (transcript.text, transcript.parts, transcript.chunks) == ("", [], 0)


def test_an_event_that_its_handler_sends_again_is_placed_again() -> None:
    transcript, tick, code = Transcript(), chunk("."), chunk("x", "appendix")

    for event in (tick, tick, chunk("y", "appendix", kind="code"), code, chunk("hm", "reasoning"), code, code):
        transcript.keep(transcript.place(event))

    assert [(part["part"], part["text"]) for part in transcript.parts] == [
        ("text", ".."), ("appendix", "yx"), ("reasoning", "hm"), ("appendix", "xx")
    ]  # fmt: skip
    assert (tick.data, code.data) == (chunk(".").data, chunk("x", "appendix").data)  # they are the handler's


def test_an_action_is_kept_in_its_newest_phase() -> None:
    transcript = Transcript()
    transcript.keep_action({"action_id": "a", "name": "show", "args": {}, "phase": "proposed", "ts": 1})
    transcript.keep_action({"action_id": "b", "name": "hide", "phase": "proposed", "ts": 2})

    transcript.keep_action({"action_id": "a", "phase": "resolved", "value": 5, "ts": 3})

    assert transcript.actions == [
        {"action_id": "a", "name": "show", "args": {}, "phase": "resolved", "value": 5},
        {"action_id": "b", "name": "hide", "phase": "proposed"},
    ]


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["text", "reasoning", "appendix"]), st.sampled_from([None, "code"]), st.text(max_size=3)
        )
    )
)
def test_indexes_never_decrease_and_have_no_holes(said: list[tuple[Any, str | None, str]]) -> None:
    transcript, indexes = Transcript(), [-1]

    for part, kind, text in said:
        try:
            indexes.append(_say(transcript, text, part, **({"kind": kind} if part == "appendix" else {})))
        except ValueError:
            continue

    assert all(after - before in (0, 1) for before, after in itertools.pairwise(indexes))
    assert [part["index"] for part in transcript.parts] == list(range(indexes[-1] + 1))
    assert transcript.chunks == len(indexes) - 1
