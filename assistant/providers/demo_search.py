"""The demo's knowledge: passages about this product, and the search that finds the one a question is about."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Okapi BM25 with its usual constants (Robertson and Zaragoza, 2009, section 3).
_K1, _B = 1.2, 0.75
# A word of the question or of the keywords says more about a passage than one of its text: it counts this many times.
_HEAD_WEIGHT = 3
# The least share of a question, by the rarity of its words, that a passage must speak of. Below it the question is
# about something else: "how tall is Mount Everest" shares a word with "mounted under a prefix", and nothing more.
_COVERAGE = 0.34

# A question is told by its first words; a pasted document must not hold the others up.
_MOST_TERMS = 100

_WORD = re.compile(r"[a-z0-9_]{2,}")
# Words that say nothing about a subject.
_IDLE = """
    about actually all also an and any anybody anyone are as at be been being but by can could create did do does
    doing done else for from get gets give go goes had has have how if in into is it its just know let like long
    make many may me mean meaning meanings means might mine more my need needs no not of off on or our out over
    please put really see should show so some something such tell than that the their them then there these they
    thing things this those to too try up us use used using very want was way we were what when where which
    while who whom whose why will with without would write you your
"""
_STOP = frozenset(_IDLE.split())
_ENDINGS = ("ations", "ation", "ating", "ated", "ates", "ate", "ings", "ing", "edly", "ed", "ers", "er", "ies", "es",
            "s", "ly", "y", "e")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of knowledge: a question, its answer in markdown, maybe a sample, and the page that says more.

    `keywords` are further words by which people ask for it.
    """

    id: str
    title: str
    question: str
    text: str
    source: str
    code: str = ""
    language: str = ""
    keywords: str = ""


@cache
def passages() -> tuple[Passage, ...]:
    """The passages shipped with the package."""
    raw = files(__package__).joinpath("demo_passages.json").read_text("utf-8")
    return tuple(Passage(**one) for one in json.loads(raw))


def passage(name: str) -> Passage:
    """The passage with this id."""
    return next(one for one in passages() if one.id == name)


def search(question: str, before: str = "") -> list[Passage]:
    """The passages that speak of a question, the best first; none when it is about something else.

    `before` is what was asked earlier: it helps a question that says too little by itself ("and with nginx?").
    """
    index = index_of_passages()
    wanted = dict.fromkeys(terms(question)[:_MOST_TERMS], 1.0)
    for term in terms(before)[:_MOST_TERMS]:
        wanted.setdefault(term, 0.3)
    asked = sum(weight * index.rarity(term) for term, weight in wanted.items())
    ranked = sorted(((index.score(wanted, place), -place) for place in range(len(index.terms))), reverse=True)
    return [passages()[-place] for score, place in ranked if score and index.covers(wanted, -place, asked)]


def terms(text: str) -> list[str]:
    """The words of a text that mean something, without their endings."""
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


def stem(word: str) -> str:
    """`word` without its ending, so that resuming, resumed and resume are one: a light stemmer, for English."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "s0123456789" else word


@dataclass(frozen=True, slots=True)
class Index:
    """How often each term stands in each passage, and in how many passages it is found at all."""

    terms: tuple[Counter[str], ...]
    found_in: Counter[str]
    mean: float

    def rarity(self, term: str) -> float:
        many, found = len(self.terms), self.found_in[term]
        return math.log(1 + (many - found + 0.5) / (found + 0.5))

    def score(self, wanted: dict[str, float], place: int) -> float:
        counted = self.terms[place]
        length = _K1 * (1 - _B + _B * counted.total() / self.mean)
        return sum(
            weight * self.rarity(term) * counted[term] * (_K1 + 1) / (counted[term] + length)
            for term, weight in wanted.items()
            if counted[term]
        )

    def covers(self, wanted: dict[str, float], place: int, asked: float) -> bool:
        counted = self.terms[place]
        spoken = sum(weight * self.rarity(term) for term, weight in wanted.items() if counted[term])
        return spoken >= _COVERAGE * asked


@cache
def index_of_passages() -> Index:
    """The index, made once a process; a few milliseconds."""
    return _index([(f"{one.title} {one.question} {one.keywords}", one.text) for one in passages()])


def _index(documents: Iterable[Sequence[str]]) -> Index:
    counted = tuple(Counter(terms(head) * _HEAD_WEIGHT + terms(body)) for head, body in documents)
    found_in = Counter(term for one in counted for term in one)
    return Index(counted, found_in, sum(one.total() for one in counted) / len(counted))
