"""`openai`: every server that speaks OpenAI's chat completions, through the official SDK."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from ..actions import ActionSpec
from ..config import Settings
from ..errors import ContentRefused, Misconfigured, ProviderIncomplete, ProviderProtocol
from ..protocols import Citation, Delta, Finish, Message, Reasoning, Text, ToolCall
from .failures import told
from .upstream import Access, ModelServer, Patience, access, deltas, parsed

if TYPE_CHECKING:
    from openai import OpenAI

# Hosts whose reasoning models refuse the older name of the token limit; most other servers know only the older one.
_NEW_LIMIT = (".openai.com", ".openai.azure.com")
# Reasons to end which say that the answer is not whole, and those which say that it must not be.
_CUT = {"error", "abort", "network_error", "insufficient_system_resource"}
_FILTERED = {"content_filter", "sensitive"}


def build(settings: Settings) -> OpenAIProvider:
    """Raises ConfigError for a missing key or model."""
    return OpenAIProvider(
        access(settings, "openai", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
        most=settings.max_active,
        patience=Patience(idle=settings.first_chunk_timeout),
    )


class OpenAIProvider(ModelServer["OpenAI"]):
    """LLMProvider for chat completions."""

    def __init__(self, access: Access, *, most: int = 1000, patience: Patience | None = None) -> None:
        super().__init__(access, most=most, patience=patience)
        new = not access.base_url or f".{access.host}".endswith(_NEW_LIMIT)
        self._limit = "max_completion_tokens" if new else "max_tokens"

    def stream(
        self, messages: Sequence[Message], *, model: str, max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        if not model:
            raise Misconfigured
        request: dict[str, Any] = {
            "model": model,
            "messages": [_message(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            self._limit: max_tokens,
        }
        if tools:  # some servers refuse an empty list
            request["tools"] = [_tool(spec) for spec in tools]
        create: Any = self._client.get().chat.completions.create
        return deltas(lambda: create(**request), _Answer(model), self._patience)

    def _connect(self) -> OpenAI:
        import openai

        return openai.OpenAI(api_key=self._access.key, **self._options(openai))


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if not message.calls:
        return {"role": message.role, "content": message.content}
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": _written(call.args)}}
        for call in message.calls
    ]
    return {"role": "assistant", "content": message.content or None, "tool_calls": calls}


def _tool(spec: ActionSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.schema()}
    return {"type": "function", "function": function}


def _written(args: Any) -> str:
    return args if isinstance(args, str) else orjson.dumps(args).decode()


@dataclass(slots=True)
class _Call:
    """A tool call while it arrives."""

    call_id: str
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    def done(self) -> ToolCall:
        return ToolCall(self.call_id, self.name, parsed("".join(self.pieces) or "{}"))


class _Answer:
    """The chunks of one completion."""

    def __init__(self, model: str) -> None:
        self.reason = ""
        self._model = model
        self._usage: dict[str, int] | None = None
        self._calls: list[_Call] = []
        self._places: dict[int, _Call] = {}
        self._cited: set[Citation] = set()

    def take(self, chunk: Any) -> Iterator[Delta]:
        _refuse_error(chunk)
        self._model = chunk.model or self._model
        self._note_usage(chunk.usage)
        for choice in (chunk.choices or ())[:1]:  # the usage may come with an empty list
            if choice.delta is not None:
                yield from self._delta(choice.delta)
            self._note_reason(choice.finish_reason)

    def end(self) -> Iterator[Delta]:
        if self.reason:
            yield from (call.done() for call in self._calls)
            yield Finish(self.reason, self._model, self._usage)

    def _delta(self, delta: Any) -> Iterator[Delta]:
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        for kind, text in ((Reasoning, thought), (Text, delta.content), (Text, delta.refusal)):
            if text and not isinstance(text, str):  # better a clear end than an answer with holes
                raise ProviderProtocol
            if text:
                yield kind(text)
        for piece in delta.tool_calls or ():
            self._add(piece)
        yield from self._sources(getattr(delta, "annotations", None))

    def _sources(self, annotations: Any) -> Iterator[Citation]:
        """The pages that an answer names, each once: a server tells of one again wherever the text leans on it."""
        for annotation in annotations if isinstance(annotations, list) else ():
            cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
            if not isinstance(cited, dict):
                continue
            title, text, url = (str(cited.get(name) or "") for name in ("title", "content", "url"))
            if not (title or text or url):
                continue
            source = Citation(title or url or "Source", text, url)
            if source not in self._cited:
                self._cited.add(source)
                yield source

    def _add(self, piece: Any) -> None:
        """Some servers give no index, or the same one to calls that only their ids tell apart."""
        place = piece.index or 0
        call = self._places.get(place)
        if call is None or (piece.id and piece.id != call.call_id):
            call = self._places[place] = _Call(piece.id or f"call_{uuid.uuid4().hex}")
            self._calls.append(call)
        if piece.function is not None:
            call.name = call.name or piece.function.name or ""
            call.pieces.append(_written(piece.function.arguments or ""))

    def _note_usage(self, usage: Any) -> None:
        if usage is not None:
            told = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
            self._usage = {name: count for name, count in told.items() if isinstance(count, int)}

    def _note_reason(self, reason: str | None) -> None:
        if reason in _FILTERED:
            raise ContentRefused
        if reason in _CUT:
            raise ProviderIncomplete
        self.reason = reason or self.reason


def _refuse_error(chunk: Any) -> None:
    """Raises what an error object means that the SDK takes for a chunk; the usual shape it raises by itself."""
    extra = chunk.model_extra or {}
    if chunk.object == "error" or (not chunk.choices and {"message", "detail", "code"} & extra.keys()):
        raise told(200, extra)
