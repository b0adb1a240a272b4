"""What the scripted model server can say: both languages, whole answers and every way to get them wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

# What every well-told answer says, in the pieces it comes in.
PIECES = ("Hello", ", w", "örld ", "🌍", ".")
TEXT = "".join(PIECES)
# What no client and no log of ours may ever show.
SECRET_WORDS = "upstream-says-the-key-is sk-canary"
SLOW = 0.15


class Do(Enum):
    """What a server can do besides sending bytes and waiting."""

    HANG = "hang"  # say nothing more until the client leaves
    RESET = "reset"  # a TCP reset
    CUT = "cut"  # close in the middle of the chunked body


Step = bytes | float | Do | Callable[[], object]


@dataclass
class Reply:
    """One answer: bytes to send, seconds to pause, things to do, functions to call. `bytewise` sends byte by byte."""

    steps: list[Step]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    bytewise: bool = False


# --- the two languages --------------------------------------------------------------------------------------------
class Chat:
    """Chat completions."""

    name: ClassVar[str] = "openai"
    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str) -> None:
        self.model = model

    def chunk(self, delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
        return data({"id": "c-1", "object": "chat.completion.chunk", "model": self.model, "choices": choices, **more})

    def begin(self, role: str = "assistant") -> bytes:
        return self.chunk({"role": role, "content": ""})

    def text(self, text: str) -> bytes:
        return self.chunk({"content": text})

    def thought(self, text: str) -> bytes:
        return self.chunk({"reasoning_content": text})

    def call(self, call_id: str, name: str, pieces: Iterable[str], index: int = 0) -> bytes:
        named = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
        return b"".join(self.chunk({"tool_calls": [piece]}) for piece in [named, *rest])

    def finish(self, reason: str = "stop", usage: str = "with") -> bytes:
        counts = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        reason = {"refused": "content_filter"}.get(reason, reason)
        told = self.chunk({}, reason, **({"usage": counts} if usage == "with" else {}))
        return told + (self.chunk(None, usage=counts) if usage == "after" else b"")

    def done(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, shape: int, kind: str, code: int) -> bytes:
        told = {"message": SECRET_WORDS, "type": kind, "code": code}
        if shape == 1:
            return data({"error": told})
        if shape == 2:
            return data({"object": "error", **told})
        return data({"error": SECRET_WORDS})


class Messages:
    """The messages API."""

    name: ClassVar[str] = "anthropic"

    def __init__(self, model: str) -> None:
        self.model = model
        self._index = -1
        self._open = ""

    def event(self, kind: str, **facts: Any) -> bytes:
        return f"event: {kind}\n".encode() + data({"type": kind, **facts})

    def begin(self, role: str = "assistant") -> bytes:
        usage = {"input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 1}
        about = {"id": "m-1", "type": "message", "role": role, "model": self.model, "content": [], "usage": usage}
        return self.event("message_start", message=about) + self.event("ping")

    def block(self, kind: str, **facts: Any) -> bytes:
        """Opens a block of this kind unless one is open."""
        if self._open == kind and kind != "tool_use":
            return b""
        ended = self.close()
        self._index, self._open = self._index + 1, kind
        return ended + self.event("content_block_start", index=self._index, content_block={"type": kind, **facts})

    def close(self) -> bytes:
        ended = self.event("content_block_stop", index=self._index) if self._open else b""
        self._open = ""
        return ended

    def delta(self, kind: str, **facts: Any) -> bytes:
        return self.event("content_block_delta", index=self._index, delta={"type": kind, **facts})

    def text(self, text: str) -> bytes:
        return self.block("text", text="") + self.delta("text_delta", text=text)

    def thought(self, text: str) -> bytes:
        return self.block("thinking", thinking="", signature="") + self.delta("thinking_delta", thinking=text)

    def call(self, call_id: str, name: str, pieces: Iterable[str], index: int = 0) -> bytes:
        begun = self.block("tool_use", id=call_id, name=name, input={})
        return begun + b"".join(self.delta("input_json_delta", partial_json=piece) for piece in pieces)

    def finish(self, reason: str = "stop", usage: str = "with") -> bytes:
        named = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refused": "refusal"}
        return self.close() + self.event(
            "message_delta",
            delta={"stop_reason": named.get(reason, reason), "stop_sequence": None},
            usage={"output_tokens": 7} if usage != "none" else None,
        )

    def done(self) -> bytes:
        return self.event("message_stop")

    def error(self, shape: int, kind: str, code: int) -> bytes:
        told = {"type": kind, "message": SECRET_WORDS}
        if shape == 1:
            return self.event("error", error=told)
        if shape == 2:
            return b"event: error\n" + data(told)
        return b"event: message\n" + data({"type": "error", "error": told})


Dialect = Chat | Messages


def data(content: Any) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"


def error_body(shape: int, kind: str, status: int) -> bytes:
    """The error bodies of three families of servers, and of a proxy before them."""
    told = {"message": SECRET_WORDS, "type": kind, "code": kind}
    shapes = ({"error": told, "type": "error"}, {"object": "error", **told}, {"detail": [told]})
    return json.dumps(shapes[shape - 1]).encode() if shape <= 3 else f"<h1>{status} {SECRET_WORDS}</h1>".encode()


# --- what it can do -----------------------------------------------------------------------------------------------
SCENARIOS: dict[str, Callable[[Dialect], list[Step]]] = {
    "ok": lambda d: [d.begin(), *map(d.text, PIECES), d.finish() + d.done()],
    "slow-first": lambda d: [d.begin(), SLOW, *map(d.text, PIECES), d.finish() + d.done()],
    "slow-between": lambda d: [d.begin(), *_between(SLOW / 5, map(d.text, PIECES)), d.finish() + d.done()],
    "hang": lambda d: [Do.HANG],
    "hang-open": lambda d: [d.begin(), Do.HANG],
    "hang-in-text": lambda d: [d.begin(), d.text("Hello"), Do.HANG],
    "hang-at-end": lambda d: [d.begin(), d.text(TEXT), d.finish(), Do.HANG],
    "endless": lambda d: [d.begin(), *_between(0.01, (d.text("again ") for _ in range(2_000)))],
    "reset-at-once": lambda d: [Do.RESET],
    "reset": lambda d: [d.begin(), d.text("Hello"), 0.05, Do.RESET],
    "reset-at-end": lambda d: [d.begin(), d.text(TEXT), d.finish(), 0.05, Do.RESET],
    "cut": lambda d: [d.begin(), d.text("Hello"), d.text(", world")[:-9], Do.CUT],
    "no-reason": lambda d: [d.begin(), d.text("Hello"), d.done()],
    "empty": lambda d: [],
    "no-done": lambda d: [d.begin(), *map(d.text, PIECES), d.finish()],
    "usage-after": lambda d: [d.begin(), *map(d.text, PIECES), d.finish(usage="after"), d.done()],
    "usage-none": lambda d: [d.begin(), *map(d.text, PIECES), d.finish(usage="none"), d.done()],
    "bad-json": lambda d: [d.begin(), d.text("Hello"), d.text("x").replace(b'"}', b'"', 1), d.finish(), d.done()],
    "bad-utf8": lambda d: [d.begin(), d.text("Hello"), d.text("é").replace(b"\xc3", b"\xff"), d.finish(), d.done()],
    "bad-sse": lambda d: [b"this is\nno stream of events\n\n"],
    "bad-shape": lambda d: [d.begin(), d.text("Hello"), d.text("12").replace(b'"12"', b"12"), d.finish()],
    "bytewise": lambda d: [d.begin(), *map(d.text, PIECES), d.finish() + d.done()],
    "crlf": lambda d: [step.replace(b"\n", b"\r\n") for step in [d.begin(), d.text(TEXT), d.finish(), d.done()]],
    "comments": lambda d: [b": waiting\n\n", d.begin(), b": more\n", d.text(TEXT), d.finish(), d.done()],
    "huge": lambda d: [d.begin(), d.text("x" * 1_000_000), d.finish(), d.done()],
    "odd-role": lambda d: [d.begin("oracle"), d.text(TEXT), d.finish(), d.done()],
    "thoughts": lambda d: [d.begin(), d.thought("Let me "), d.thought("see."), d.text(TEXT), d.finish(), d.done()],
    "length": lambda d: [d.begin(), d.text("Hello"), d.finish("length"), d.done()],
    "refused": lambda d: [d.begin(), d.text("Hello"), d.finish("refused"), d.done()],
    "tool": lambda d: [
        d.begin(),
        d.text("So:"),
        d.call("t-1", "play", ['{"bp', 'm": 1', "20}"]),
        d.finish("tool_calls"),
    ],
    "tools": lambda d: [
        d.begin(),
        d.call("t-1", "play", ['{"bpm": 120}']),
        d.call("t-2", "stop", [], index=1),
        d.finish("tool_calls"),
    ],
    "tool-bad": lambda d: [d.begin(), d.call("t-1", "play", ['{"bpm": ']), d.finish("tool_calls"), d.done()],
}


def reply_to(dialect: Dialect, model: str, body: dict[str, Any]) -> Reply:
    """`status-503`, `status-400-content_filter-2` (with the error's word and the body's shape), `error-1-529-word` (inside
    a 200 stream), `echo` (says the prompt back, slowly), `page`, or one of SCENARIOS."""
    name, *details = model.split("-")
    if name == "status":
        word, shape = (*details[1:], "some_error", "1")[0], int((*details[2:], "1")[0])
        return Reply([error_body(shape, word, int(details[0]))], int(details[0]), content_type="application/json")
    if name == "error":
        told = dialect.error(int(details[0]), details[2], int(details[1]))
        return Reply([dialect.begin(), dialect.text("Hello"), told, dialect.finish(), dialect.done()])
    if name == "echo":
        said = body["messages"][-1]["content"]
        words = (said if isinstance(said, str) else said[-1]["text"]).split()
        return Reply([dialect.begin(), *_between(0.02, map(dialect.text, words)), dialect.finish() + dialect.done()])
    if name == "page":
        return Reply([b"<h1>Welcome</h1>"], content_type="text/html")
    return Reply(SCENARIOS[model](dialect), bytewise=model == "bytewise")


def _between(pause: float, steps: Iterable[bytes]) -> Iterator[Step]:
    for step in steps:
        yield pause
        yield step
