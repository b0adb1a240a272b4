"""The built-in demo: no model and no network. It looks passages about this product up and streams them as an answer.

It says plainly what it is and how to set a real model.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, Field

from ..actions import ActionSpec
from ..config import Settings
from ..protocols import Citation, Delta, Finish, Message, Text, ToolCall

MODEL = "built-in-demo"
NOTICE = (
    "\n\n---\n*This is the built-in demo: it looks answers up in a few passages about this server and thinks nothing. For a "
    "real model set `ASSISTANT_PROVIDER=openai` (any OpenAI-compatible server, with `ASSISTANT_MODEL` and "
    "`ASSISTANT_API_KEY`) or `ASSISTANT_PROVIDER=anthropic`, and start again.*"
)
# How fast the demo types: a pause of this many seconds after each word.
_PAUSE = 0.012
# Okapi BM25 with its usual constants (Robertson and Zaragoza, 2009, section 3).
_K1, _B = 1.2, 0.75

_WORD = re.compile(r"[a-z0-9_]+")
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "so",
        "that",
        "the",
        "this",
        "to",
        "was",
        "we",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)


class SuggestPrompts(BaseModel):
    """Shows the user what they could ask next."""

    prompts: list[str] = Field(max_length=5)


SUGGEST = ActionSpec("suggest_prompts", SuggestPrompts, "nothing", None, "Shows the user what they could ask next.")


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of knowledge: a question it answers, the answer in markdown, maybe code, and what to ask next."""

    id: str
    title: str
    question: str
    text: str
    code: str = ""
    language: str = ""


@cache
def passages() -> tuple[Passage, ...]:
    """The passages shipped with the package."""
    raw = files(__package__).joinpath("demo_passages.json").read_text("utf-8")
    return tuple(Passage(**one) for one in json.loads(raw))


def build(_: Settings) -> DemoProvider:
    return DemoProvider()


class DemoProvider:
    """LLMProvider without a model. `pause` is in seconds a word."""

    def __init__(self, pause: float = _PAUSE) -> None:
        self._pause = pause

    def stream(
        self, messages: Sequence[Message], *, model: str = "", max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        prompt = next(message.content for message in reversed(messages) if message.role == "user")
        asked = any(message.role == "tool" for message in messages)
        found = search(prompt)
        spent = 0
        if not asked:
            for word in _words(_answer(messages, found)):
                if spent >= max_tokens:
                    yield Finish("length", MODEL, _usage(messages, spent))
                    return
                yield Text(word)
                spent += 1
                if self._pause:
                    time.sleep(self._pause)
            for passage in found[:1]:
                yield Citation(passage.title, passage.text)
            if any(tool.name == SUGGEST.name for tool in tools):
                yield ToolCall("suggest", SUGGEST.name, {"prompts": [passage.question for passage in found[1:4]]})
        yield Finish("stop", MODEL, _usage(messages, spent))


def search(query: str, most: int = 4) -> list[Passage]:
    """The passages that fit a query best, the best first; the first passages when nothing fits."""
    index = _index()
    wanted = _terms(query)
    scored = sorted(((_score(wanted, terms, index), place) for place, terms in enumerate(index.terms)), reverse=True)
    fitting = [passages()[place] for score, place in scored if score > 0]
    rest = [passage for passage in passages() if passage not in fitting]
    return (fitting + rest)[:most]


@dataclass(frozen=True, slots=True)
class _Index:
    terms: tuple[Counter[str], ...]
    found_in: Counter[str]
    mean: float


@cache
def _index() -> _Index:
    terms = tuple(
        # a word of the title or the question says more about a passage than one of its text
        Counter(_terms(f"{one.title} {one.question} ") * 3 + _terms(one.text))
        for one in passages()
    )
    found_in = Counter(term for counted in terms for term in counted)
    return _Index(terms, found_in, sum(counted.total() for counted in terms) / len(terms))


def _score(wanted: Sequence[str], terms: Counter[str], index: _Index) -> float:
    total, many = 0.0, len(index.terms)
    for term in wanted:
        if not (count := terms[term]):
            continue
        rarity = math.log(1 + (many - index.found_in[term] + 0.5) / (index.found_in[term] + 0.5))
        total += rarity * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * terms.total() / index.mean))
    return total


def _terms(text: str) -> list[str]:
    words = (word for word in _WORD.findall(text.lower()) if word not in _STOP)
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]


def _answer(messages: Sequence[Message], found: Sequence[Passage]) -> str:
    best = found[0]
    document = next((m.content for m in messages if m.role == "user" and m.content.startswith("The document")), None)
    if document is not None:
        tidied = "\n".join(line.rstrip() for line in document.split("\n")[2:-1]).strip()
        return f"I tidied the white space of your document; a real model would do what you asked.{NOTICE}\n\n```\n{tidied}\n```\n"
    code = f"\n\n```{best.language}\n{best.code}\n```\n" if best.code else ""
    return f"**{best.title}.** {best.text}{NOTICE}{code}"


def _words(text: str) -> list[str]:
    """The text in pieces that end behind a word, as a model would send them."""
    return re.findall(r"\s*\S+\s?|\s+", text)


def _usage(messages: Sequence[Message], spent: int) -> dict[str, int]:
    """Words stand in for tokens."""
    return {"input_tokens": sum(len(message.content.split()) for message in messages), "output_tokens": spent}
