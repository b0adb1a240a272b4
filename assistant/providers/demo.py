"""The built-in demo: no model and no network. It looks passages about this product up and types them as an answer.

It says plainly what it is and how to set a real model. Like a model, it learns the mode from the system text alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from ..actions import ActionSpec
from ..config import Settings
from ..errors import ActionExpired
from ..protocols import Citation, Delta, Finish, Message, Text, ToolCall
from ..run import REFUSED, fenced
from .demo_edits import edit
from .demo_search import Passage, index_of_passages, passage, passages, search, terms

__all__ = ["ACTIONS", "APPROVAL", "MODEL", "NOTICE", "SUGGEST", "DemoProvider", "build", "passages", "search"]

MODEL = "built-in-demo"
NOTICE = (
    "*This is the built-in demo: it looks answers up and thinks nothing. For a real model set `ASSISTANT_PROVIDER=openai` "
    "(with `ASSISTANT_MODEL` and `ASSISTANT_API_KEY`; `ASSISTANT_BASE_URL` for a server of your own) or "
    "`ASSISTANT_PROVIDER=anthropic`, and start again.*"
)
SHORT_NOTICE = "*From the built-in demo; no model is set.*"

# How fast the demo types: a pause of this many seconds after each word, about four times as fast as people read.
_PAUSE = 0.015
# From this many words on it types several at once.
_TYPED = 400
# A prompt with fewer words of its own than this leans on the one before it ("and behind nginx?").
_LEANS = 3

_GREETING = re.compile(
    r"(hi|hello|hey|hallo|moin|servus|good (morning|afternoon|evening|day))( (there|you|all|again))?"
)
_SALUTE = re.compile(rf"{_GREETING.pattern}[,.!] +")
_THANKS = re.compile(r"(ok(ay)?|great|cool|nice|perfect|thanks?( you)?( (so|very) much| a lot)?|thx|bye|goodbye|\W)+")
_ABOUT = re.compile(
    r"(who|what) (are|r) (you|u)|what('s| is) (this|it)( thing| page)?|what can (you|i|it) (do|ask).*|help( me)?"
)
_MORE = re.compile(r"(yes|yeah|ok(ay)?|and|please|tell me|show me|go on|continue|more|what else|another( one)?|details?"
                   r"|(an )?examples?|\W)+")  # fmt: skip


class SuggestPrompts(BaseModel):
    """Shows the user what they could ask next."""

    prompts: list[str] = Field(max_length=5)


class TryApproval(BaseModel):
    """Asks the user for a yes or no, to show how a run waits for it."""

    question: str


SUGGEST = ActionSpec("suggest_prompts", SuggestPrompts, "nothing", None, "Shows the user what they could ask next.")
APPROVAL = ActionSpec("try_approval", TryApproval, "approval", None, "Asks the user for a yes or no.")
# What the demo may want of a page.
ACTIONS = (SUGGEST, APPROVAL)
# What is heard when nobody answered.
EXPIRED = ActionExpired().detail
# The passage that is told best by a question to the user.
_ASKING = "ask"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the demo says: text in markdown, then maybe a block of code; where it is from, and what to ask next."""

    text: str
    code: str = ""
    language: str = ""
    source: Passage | None = None
    related: Sequence[Passage] = ()


def build(_: Settings) -> DemoProvider:
    index_of_passages()  # now, so that the first visitor does not wait for it
    return DemoProvider()


class DemoProvider:
    """LLMProvider without a model. `pause` is in seconds a word."""

    def __init__(self, pause: float = _PAUSE) -> None:
        self._pause = pause

    def stream(
        self, messages: Sequence[Message], *, model: str = "", max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        heard = {message.call_id: message.content for message in messages if message.role == "tool"}
        if heard:  # of its own suggestion there is nothing to say
            yield from self._typed(messages, _outcome(heard.get(APPROVAL.name)), max_tokens)
            return
        talk = Talk(messages)
        answer = talk.answer()
        asks = answer.source is not None and answer.source.id == _ASKING and not (talk.generating or talk.editing)
        yield from self._typed(messages, talk.laid_out(answer), max_tokens, _beside(answer, tools, asks=asks))

    def _typed(
        self, messages: Sequence[Message], text: str, most: int, beside: Iterable[Delta] = ()
    ) -> Generator[Delta, None, None]:
        """Types the text, at most so many words of it; what stands beside it comes with its end."""
        words = _words(text)
        told = words[:most]
        for piece in _pieces(told):
            yield Text(piece)
            if self._pause:
                time.sleep(self._pause)
        whole = len(told) == len(words)
        if whole:
            yield from beside
        yield Finish("stop" if whole else "length", MODEL, _usage(messages, told))


class Talk:
    """A conversation as the demo reads it."""

    def __init__(self, messages: Sequence[Message]) -> None:
        said = [message.content for message in messages if message.role == "user"]
        self.prompt = said[-1] if said else ""
        self.document = _document(said[-2]) if len(said) > 1 else None
        before = said[:-1] if self.document is None else said[:-2]
        self.before = before[-1] if before else ""
        self.told = "\n".join(message.content for message in messages if message.role == "assistant")
        system = " ".join(message.content for message in messages if message.role == "system")
        self.editing = self.document is not None and (not system or re.search(r"\bedit\b", system) is not None)
        self.generating = re.search(r"\bgenerate\b", system) is not None

    def answer(self) -> Answer:
        if self.editing and self.document is not None:
            edited = edit(self.prompt, self.document)
            return Answer(edited.said, code=edited.text)
        asked = _SALUTE.sub("", self.prompt.strip().lower().rstrip("?!. "))
        if _GREETING.fullmatch(asked):
            return _welcome("Hello! Ask me about this server, for example:")
        if _ABOUT.fullmatch(asked):
            return _from(passage("what"), _starters())
        if _MORE.fullmatch(asked) and self.before:
            return self._found([one for one in search(self.before) if f"**{one.title}.**" not in self.told])
        if _THANKS.fullmatch(asked):
            return _welcome("You are welcome. If there is more:")
        lean = self.before if len(terms(self.prompt)) < _LEANS else ""
        return self._found(search(self.prompt, lean))

    def laid_out(self, answer: Answer) -> str:
        """The answer as markdown. Where code becomes an appendix, it comes last: no main text may follow it."""
        notice = SHORT_NOTICE if "built-in demo" in self.told else NOTICE
        code = _block(answer)
        blocks = (answer.text, notice, code) if self.generating or self.editing else (answer.text, code, notice)
        return "\n\n".join(filter(None, blocks)) + "\n"

    def _found(self, found: Sequence[Passage]) -> Answer:
        if self.generating:  # of passages that fit about as well, one with a sample is what was asked for
            found = sorted(found[:3], key=lambda one: not one.code) + list(found[3:])
        if found:
            return _from(found[0], [*found[1:], *_starters()])
        if self.generating:
            sample = passage("own_mode")
            said = "That needs a model, and none is set. What I can give you is the code of a mode that would ask one:"
            return Answer(said, sample.code, sample.language, sample, _starters())
        return _welcome("I know nothing about that: no model is set, and all I have read is about this server. Try:")


def _from(one: Passage, related: Sequence[Passage]) -> Answer:
    return Answer(f"**{one.title}.** {one.text}", one.code, one.language, one, [r for r in related if r != one])


def _welcome(first: str) -> Answer:
    starters = _starters()
    return Answer("\n".join([first, "", *(f"- {one.question}" for one in starters)]), related=starters)


def _starters() -> list[Passage]:
    return [passage(name) for name in ("what", "embed", "resume", "ask")]


def _beside(answer: Answer, tools: Sequence[ActionSpec], *, asks: bool) -> Iterator[Delta]:
    """The source of the answer; where the page can show it, a question to try and what to ask next."""
    offered = {tool.name for tool in tools}
    if answer.source is not None:
        yield Citation(answer.source.title, f"Read on in {answer.source.source}.")
    if asks and APPROVAL.name in offered:
        yield ToolCall(APPROVAL.name, APPROVAL.name, {"question": "May this answer go on?"})
    if answer.related and SUGGEST.name in offered:
        yield ToolCall(SUGGEST.name, SUGGEST.name, {"prompts": [one.question for one in answer.related[:3]]})


def _outcome(heard: str | None) -> str:
    """What the demo says to the answer of its question; nothing when it asked none."""
    if heard is None:
        return ""
    if heard == REFUSED:
        return "\nYou said no. A handler hears that as `ActionDenied`, at its `yield`, and decides what comes of it.\n"
    if heard == EXPIRED:
        return "\nNobody answered in time. A handler hears that as `ActionExpired`.\n"
    return "\nYou said yes. The run had waited here, without a connection to a model, and went on.\n"


def _block(answer: Answer) -> str:
    if not answer.code:
        return ""
    return fenced(answer.code).replace("\n", f"{answer.language}\n", 1)


def _document(message: str) -> str | None:
    """The document that stands before a prompt as fenced data (see Run.messages); None when this is none."""
    head, _, rest = message.partition("\n")
    return "\n".join(rest.split("\n")[1:-1]) if head.startswith("The document") and rest.startswith("```") else None


def _words(text: str) -> list[str]:
    """The text in pieces that end behind a word, as a model would send them."""
    return re.findall(r"\s*\S+\s?|\s+", text)


def _pieces(words: Sequence[str]) -> Iterator[str]:
    """Word by word; of a long text several words at once, so that nobody waits for minutes."""
    step = 1 + len(words) // _TYPED
    return ("".join(words[place : place + step]) for place in range(0, len(words), step))


def _usage(messages: Sequence[Message], told: Sequence[str]) -> dict[str, int]:
    """Words stand in for tokens."""
    return {"input_tokens": sum(len(message.content.split()) for message in messages), "output_tokens": len(told)}
