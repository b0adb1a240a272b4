"""CodeWriter: the same parts wherever the model's text is cut."""

from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.events import Event
from assistant.handlers.fences import CodeWriter
from assistant.transcript import Transcript
from tests.properties import examples

Part = tuple[str, str | None, str]  # (kind, language, text); the kind of the main text is `text`

_CASES: dict[str, tuple[str, list[Part]]] = {
    "text alone": ("Hello\nthere", [("text", None, "Hello\nthere")]),
    "a block": ("Look:\n```py\nx = 1\n```\n", [("text", None, "Look:\n"), ("code", "py", "x = 1\n")]),
    "a block at once": ("```\nx\n```", [("code", None, "x\n")]),
    "what follows is a note": ("```\nx\n```\n\n\nDone.\nBye", [("code", None, "x\n"), ("note", None, "Done.\nBye")]),
    "a note keeps its indent": ("```\nx\n```\n \n  - one\n", [("code", None, "x\n"), ("note", None, "  - one\n")]),
    "two blocks": ("```a\n1\n```\n \n```b\n2\n```\n", [("code", "a", "1\n"), ("code", "b", "2\n")]),
    "tildes": ("~~~js x\n```\nno end\n~~~\n", [("code", "js", "```\nno end\n")]),
    "an info string may hold backticks after tildes": ("~~~ a`b\nx\n~~~\n", [("code", "a", "x\n")]),
    "a longer fence holds a shorter one": ("````md\n```py\nx\n```\n````\nok",
                                           [("code", "md", "```py\nx\n```\n"), ("note", None, "ok")]),
    "a longer mark closes too": ("```\nx\n`````\nok", [("code", None, "x\n"), ("note", None, "ok")]),
    "a mark with words does not close": ("```\nx\n``` py\n```\n", [("code", None, "x\n``` py\n")]),
    "spaces after a closing mark": ("```\nx\n```  \t\nok", [("code", None, "x\n"), ("note", None, "ok")]),
    "up to three spaces indent a fence": ("   ```\nx\n   ```\nok", [("code", None, "x\n"), ("note", None, "ok")]),
    "four spaces are no fence": ("    ```\nx\n", [("text", None, "    ```\nx\n")]),
    "four spaces do not close": ("```\nx\n    ```\ny\n```\n", [("code", None, "x\n    ```\ny\n")]),
    "a tab does not close": ("```\nx\n\t```\ny\n```\n", [("code", None, "x\n\t```\ny\n")]),
    "an unclosed block": ("```py\nx = 1\nprint(", [("code", "py", "x = 1\nprint(")]),
    "closed by the end of the answer": ("```\nx\n```", [("code", None, "x\n")]),
    "inline code": ("Use ``` like `this` and ```that```.\n", [("text", None, "Use ``` like `this` and ```that```.\n")]),
    "inline code that begins a line": ("```not``` a fence\n``two``\n", [("text", None, "```not``` a fence\n``two``\n")]),
    "two marks are no fence": ("``\nx\n``\n~~\n", [("text", None, "``\nx\n``\n~~\n")]),
    "CRLF": ("Look\r\n```py\r\nx\r\n```\r\nok\r\n",
             [("text", None, "Look\r\n"), ("code", "py", "x\r\n"), ("note", None, "ok\r\n")]),
    "an info string with other line ends loses no text": ("```py\u2028z\nx\n```\n", [("code", "py", "x\n")]),
    "a line separator begins no line": ("a\u2028```\nb\n", [("text", None, "a\u2028```\nb\n")]),
    "a form feed begins no line": ("``` \x0c\nb\x0b\x1c\x85c\n```\nd", [("code", None, "b\x0b\x1c\x85c\n"), ("note", None, "d")]),
    "a lone CR begins no line": ("```a\rb\nx\n```\n", [("code", "a", "x\n")]),
    "a held beginning is said at the end": ("x\n``", [("text", None, "x\n``")]),
    "nothing": ("", []),
}  # fmt: skip

_PIECES = st.sampled_from(
    ["```", "~~~", "````", "`", "``", "~", "\n", "\n", "\r\n", "\r", " ", "   ", "    ", "\t", "py", "x = 1", "text",
     "\u2028", "\x0c", "\x85", "```py\n", "\n```\n", "é"]
)  # fmt: skip


@pytest.mark.parametrize("case", _CASES)
def test_blocks_become_parts_at_every_cut(case: str) -> None:
    text, expected = _CASES[case]

    assert _parts(text) == expected
    assert _parts(*text) == expected
    for cut in range(len(text)):
        assert _parts(text[:cut], text[cut:]) == expected


@examples(400)
@given(st.lists(_PIECES, max_size=25), st.lists(st.integers(0, 100), max_size=6))
def test_where_the_text_is_cut_does_not_matter(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]

    whole = _parts(text)

    assert _parts(*pieces) == whole
    assert _parts(*text) == whole
    assert _parts(*(text[a:b] for a, b in pairwise(edges))) == whole


@examples(300)
@given(st.lists(_PIECES, max_size=25))
def test_nothing_is_lost_but_fences_and_the_blank_behind_them(pieces: list[str]) -> None:
    text = "".join(pieces)
    said = "".join(part[2] for part in _parts(text))

    rest = iter(text)
    assert all(c in rest for c in said), "said in another order"
    dropped = [line for line in text.split("\n") if line.strip() and line.strip() not in said]
    assert all(line.lstrip(" ").startswith(("```", "~~~")) for line in dropped)


@examples(200)
@given(st.lists(_PIECES, max_size=25), st.integers(0, 25))
def test_reasoning_may_interrupt_at_any_place(pieces: list[str], place: int) -> None:
    writer, transcript = CodeWriter(), Transcript()

    for index, piece in enumerate(pieces):
        if index == place:
            _keep(transcript, Event("response_chunk", {"text": "hm", "part": "reasoning"}))
        for event in writer.feed(piece):
            _keep(transcript, event)
    for event in writer.flush():
        _keep(transcript, event)

    assert "".join(part["text"] for part in transcript.parts if part["part"] != "reasoning") == "".join(
        part[2] for part in _parts("".join(pieces))
    )


def test_code_is_said_while_it_arrives() -> None:
    writer = CodeWriter()

    told = [event.data["text"] for piece in ("```py\n", "x =", " 1\n", "y") for event in writer.feed(piece)]

    assert told == ["x =", " 1\n", "y"]


def _parts(*pieces: str) -> list[Part]:
    """The parts of an answer that arrives in these pieces; every event must be one that a transcript takes."""
    writer, transcript = CodeWriter(), Transcript()
    for event in (*(event for piece in pieces for event in list(writer.feed(piece))), *writer.flush()):
        _keep(transcript, event)
    found = [(part.get("kind", part["part"]), part.get("language"), part["text"]) for part in transcript.parts]
    assert not any(len(list(same)) > 1 for name, same in groupby(part[0] for part in found) if name != "code")
    return found


def _keep(transcript: Transcript, event: Event) -> Any:
    assert event.data["text"]
    transcript.keep(transcript.place(event))
