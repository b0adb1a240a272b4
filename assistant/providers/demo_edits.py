"""What the demo can do to a document without a model: a few edits that need no thought."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_TERM = r"""(?:"([^"]+)"|'([^']+)'|`([^`]+)`|(\S+?))"""
_REPLACE = re.compile(rf"\b(?:replace|change|rename)\s+{_TERM}\s+(?:with|by|to|into)\s+{_TERM}[.!]?\s*$", re.I)

WHAT_IT_CAN = (
    "replace one word with another, sort or number the lines, reverse them, remove empty ones, turn all into upper or "
    "lower case"
)


@dataclass(frozen=True, slots=True)
class Edited:
    """The new document and one sentence that says what was done."""

    text: str
    said: str


def edit(prompt: str, document: str) -> Edited:
    """The document as the prompt asks, where that is one of the simple edits; else with tidy white space only."""
    if match := _REPLACE.search(prompt):
        old, new = (next(filter(None, found)) for found in (match.groups()[:4], match.groups()[4:]))
        many = document.count(old)
        return Edited(document.replace(old, new), f"I replaced `{old}` with `{new}`: {_times(many)}.")
    for pattern, said, change in _EDITS:
        if re.search(pattern, prompt, re.I):
            return Edited(change(document), said)
    return Edited(
        _tidied(document),
        f"That needs a model, so I only tidied the white space. Without one I can {WHAT_IT_CAN}.",
    )


def _times(many: int) -> str:
    return "it was not there" if not many else "once" if many == 1 else f"{many} times"


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "\n".join(change(text.split("\n")))


def _tidied(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip("\n")


def _numbered(lines: list[str]) -> list[str]:
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]


_EDITS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    (r"\bupper[ -]?case|\bcapitals\b|\bcapitali[sz]e\b", "I turned it into upper case.", str.upper),
    (r"\blower[ -]?case", "I turned it into lower case.", str.lower),
    (r"\b(remove|delete|drop)\b.*\b(empty|blank)\b", "I removed the empty lines.",
     _lines(lambda lines: [line for line in lines if line.strip()])),
    (r"\bsort\b|\balphabetical", "I sorted the lines.", _lines(lambda lines: sorted(lines, key=str.casefold))),
    (r"\breverse\b", "I reversed the order of the lines.", _lines(lambda lines: lines[::-1])),
    (r"\bnumber(ed)?\b", "I numbered the lines.", _lines(_numbered)),
)  # fmt: skip
