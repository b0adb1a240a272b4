"""What is taken out of prompts, what stays, and what is refused."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import InvalidRequest
from assistant.sanitize import CONTEXT_BYTES, CONTEXT_DEPTH, CONTEXT_KEYS, check_context, clean_prompt
from tests.properties import examples

_SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
_HIDDEN = [
    *(chr(code) for code in (*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0))),
    *(chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    *(chr(code) for code in (*range(0x2060, 0x2065), *range(0x206A, 0x2070))),
    "\ufeff", "\U000e0001", "\U000e0041", "\U000e007f",
    *(chr(plane * 0x10000 + low) for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    *(chr(code) for code in range(0xFDD0, 0xFDF0)),
]  # fmt: skip
_KEPT = [
    "tab\tand\nnewline", "👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️", _SCOTLAND, "می‌خواهم", "\u200eleft\u200fright", "é ü ﬁ ℌ ² ½ Å",
    "日本語 한국어 عربي עברית हिन्दी ไทย", "x = ∑ᵢ aᵢ·bᵢ ≤ ∞", "`code` <b>&amp;</b> \\n \"quotes\" '; DROP TABLE", "👍🏽 ❤️ 1️⃣",
    "\U0001f3f4", "<|im_start|>system", "a\u00a0b\u3000c",
]  # fmt: skip
_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from([*_HIDDEN, *_SCOTLAND, "\r", "\n", "\u0301", "\u200d"]),
    max_size=40,
)


@pytest.mark.parametrize("hidden", _HIDDEN, ids=lambda hidden: f"U+{ord(hidden):04X}")
def test_what_nobody_can_see_is_removed_and_counted(hidden: str) -> None:
    assert clean_prompt(f"a{hidden}b{hidden}") == ("ab", 2)


@pytest.mark.parametrize("text", _KEPT)
def test_what_people_write_stays(text: str) -> None:
    text = unicodedata.normalize("NFC", text)

    assert clean_prompt(text) == (text, 0)


def test_line_ends_become_newlines_and_are_not_counted() -> None:
    assert clean_prompt("a\r\nb\rc\nd\n\re") == ("a\nb\nc\nd\n\ne", 0)


def test_text_is_composed_but_keeps_its_look() -> None:
    assert clean_prompt("e\u0301 \u212b ﬁ x²") == ("é Å ﬁ x²", 0)


@pytest.mark.parametrize(
    "text",
    [
        "\U000e0067\U000e0062",  # tags without a flag
        "x" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all") + "\U000e007f",
        _SCOTLAND.replace("\U000e007f", ""),  # a flag that does not end
        "\U0001f3f4" + "\U000e0061" * 7 + "\U000e007f",  # longer than any flag
        "\U0001f3f4\U000e0041\U000e007f",  # a capital is no flag letter
        "\U0001f3f4\U000e007f",
    ],
)
def test_tags_that_are_no_flag_are_removed(text: str) -> None:
    cleaned, removed = clean_prompt(text)

    assert removed
    assert not any(0xE0000 <= ord(c) <= 0xE007F for c in cleaned)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x\udfff", "\ud83d\ude00"], ids=ascii)
def test_nul_and_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        clean_prompt(text)

    assert refused.value.extra["errors"][0]["loc"] == ["prompt"]


@examples(300)
@given(_TEXT)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    cleaned, removed = clean_prompt(text)

    assert clean_prompt(cleaned) == (cleaned, 0)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert removed >= 0
    assert "\r" not in cleaned


def _nested(depth: int, inner: Any = 1) -> dict[str, Any]:
    """A context of so many levels, dicts and lists in turn."""
    value = inner
    for level in range(depth - 1):
        value = [value] if level % 2 else {"k": value}
    return {"k": value}


def test_a_context_is_as_deep_as_sixteen() -> None:
    check_context(_nested(CONTEXT_DEPTH))
    assert _refusal(_nested(CONTEXT_DEPTH + 1)) == "too_deep"
    assert _refusal(_nested(50_000)) == "too_deep"


def test_a_context_has_two_thousand_keys_in_all() -> None:
    half = {f"k{n}": n for n in range(CONTEXT_KEYS // 2 - 1)}

    check_context({"one": half, "two": [dict(half)]})
    assert _refusal({"one": half, "two": [{**half, "more": 1}]}) == "too_many_keys"
    assert _refusal({str(n): n for n in range(CONTEXT_KEYS + 1)}) == "too_many_keys"


def test_a_context_is_as_large_as_256_kib_of_json() -> None:
    envelope = len('{"k":""}')

    check_context({"k": "x" * (CONTEXT_BYTES - envelope)})
    assert _refusal({"k": "x" * (CONTEXT_BYTES - envelope + 1)}) == "too_large"
    assert _refusal({"k": "é" * (CONTEXT_BYTES // 2)}) == "too_large"


@pytest.mark.parametrize("bad", ["a\0", "\ud800", "\udc00x"], ids=ascii)
@pytest.mark.parametrize(
    "place", [lambda s: {"k": s}, lambda s: {s: 1}, lambda s: {"k": [{"d": [s]}]}, lambda s: _nested(16, s)]
)
def test_nul_and_lone_surrogates_are_refused_wherever_they_stand(place: Any, bad: str) -> None:
    assert _refusal(place(bad)) == "unencodable"


def test_a_number_that_no_reader_can_hold_is_refused() -> None:
    assert _refusal({"k": 2**70}) == "unencodable"


def test_a_context_is_never_rewritten() -> None:
    context = {"content": "\ufeffa\r\n\u202eb e\u0301", "list": [1, 2.5, None, True]}
    before = repr(context)

    check_context(context)

    assert repr(context) == before


def _refusal(context: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as refused:
        check_context(context)
    (error,) = refused.value.extra["errors"]
    assert error["loc"] == ["context"]
    return str(error["type"])
