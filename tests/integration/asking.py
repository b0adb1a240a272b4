"""Real providers and the scripted model server they talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from pydantic import BaseModel

from assistant.actions import ActionSpec
from assistant.errors import AssistantError
from assistant.protocols import Delta, Message, Text
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.openai import OpenAIProvider
from assistant.providers.upstream import Access, Patience
from tests.scenarios import Chat, Messages, Reply
from tests.upstream import Upstream

KEY = "sk-key-canary"
PROMPT = "prompt-canary"
# Short enough for tests, long enough for a busy machine; each scenario's own pauses are far shorter or far longer.
QUICK = Patience(connect=2.0, idle=0.6, backoff=0.01, retry_after=0.5)

Provider = OpenAIProvider | AnthropicProvider


class Play(BaseModel):
    bpm: int


PLAY = ActionSpec("play", Play, "nothing", None, "Plays.")


@contextmanager
def talking(name: str, url: str, **how: Any) -> Iterator[Provider]:
    kind, path = {"openai": (OpenAIProvider, "/v1"), "anthropic": (AnthropicProvider, "")}[name]
    with closing(kind(Access(KEY, url + path), **{"patience": QUICK, **how})) as provider:
        yield provider


def ask(provider: Provider, model: str, *messages: Message, **more: Any) -> list[Delta]:
    asked = messages or (Message("user", PROMPT),)
    return list(provider.stream(asked, model=model, max_tokens=50, **more))


def heard(provider: Provider, model: str) -> tuple[str, str]:
    """The text that came before a failure, and the failure's code; no code when there was none."""
    texts = []
    try:
        for delta in provider.stream([Message("user", PROMPT)], model=model, max_tokens=50):
            texts.append(delta.text if isinstance(delta, Text) else "")
    except AssistantError as problem:
        return "".join(texts), problem.code
    return "".join(texts), ""


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def until(true: Callable[[], bool], seconds: float = 2.0) -> None:
    with gevent.Timeout(seconds):
        while not true():
            gevent.sleep(0.005)


@contextmanager
def listening(serve: Callable[..., None]) -> Iterator[int]:
    pool = Pool()
    server = StreamServer(("127.0.0.1", 0), serve, spawn=pool)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=0)
        pool.kill()


def say(provider: Provider) -> Chat | Messages:
    """The language that a provider speaks."""
    return Messages("m") if isinstance(provider, AnthropicProvider) else Chat("m")


def meeting(upstream: Upstream, spoken: Chat | Messages, calls: int) -> None:
    """Makes each of the next calls begin its answer and go on only when all of them have come."""

    def all_here() -> None:
        until(lambda: len(upstream.seen) >= calls, 10)

    for number in range(calls):
        language = type(spoken)(spoken.model)
        words = [language.text(f"{number} "), all_here, language.text("and more")]
        upstream.then(Reply([language.begin(), *words, language.finish(), language.done()]))
