"""`anthropic`: the messages API, through the official SDK."""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..actions import ActionSpec
from ..config import Settings
from ..errors import ContentRefused, Misconfigured, ProviderProtocol
from ..protocols import Citation, Delta, Finish, Message, Reasoning, Text, ToolCall
from .failures import told
from .upstream import NO_KEY, Access, ModelServer, Patience, access, deltas, parsed

if TYPE_CHECKING:
    from anthropic import Anthropic

Blocks = list[dict[str, Any]]

# Our words for why an answer ended, the same for every provider; others are passed on as they are.
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
# Turns with thoughts that are remembered while their tools run: more than a worker has running requests by default.
_TURNS = 2_000


def build(settings: Settings) -> AnthropicProvider:
    """Raises ConfigError for a missing key or model."""
    return AnthropicProvider(
        access(settings, "anthropic", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), "ANTHROPIC_BASE_URL"),
        most=settings.max_active,
        patience=Patience(idle=settings.first_chunk_timeout),
    )


class AnthropicProvider(ModelServer["Anthropic"]):
    """LLMProvider for the messages API.

    A turn in which the model thought and then called tools must come back to it word for word, signatures included
    ("Extended thinking with tool use" in its documentation). Such turns are remembered by the id of their first call,
    so that messages need not carry what only this server understands.
    """

    def __init__(self, access: Access, *, most: int = 1000, patience: Patience | None = None) -> None:
        super().__init__(access, most=most, patience=patience)
        self._turns: OrderedDict[str, Blocks] = OrderedDict()

    def stream(
        self, messages: Sequence[Message], *, model: str, max_tokens: int, tools: Sequence[ActionSpec] = ()
    ) -> Generator[Delta, None, None]:
        if not model:
            raise Misconfigured
        request: dict[str, Any] = {
            "model": model,
            "messages": self._turns_of(messages),
            "max_tokens": max_tokens,
            "stream": True,
        }
        if system := "\n\n".join(message.content for message in messages if message.role == "system"):
            request["system"] = system
        if tools:
            request["tools"] = [_tool(spec) for spec in tools]
        create: Any = self._client.get().messages.create
        return deltas(lambda: create(**request), _Answer(model, self._remember), self._patience)

    def _connect(self) -> Anthropic:
        import anthropic

        bearer = self._access.key != NO_KEY and self._access.key == os.environ.get("ANTHROPIC_AUTH_TOKEN")
        credential: dict[str, Any] = {"auth_token" if bearer else "api_key": self._access.key}
        return anthropic.Anthropic(**credential, **self._options(anthropic))

    def _turns_of(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The conversation as alternating turns that begin with the user's; empty texts are left out, as the API asks."""
        turns: list[dict[str, Any]] = []
        for message in messages:
            blocks = self._blocks(message)
            role = "assistant" if message.role == "assistant" else "user"
            if not blocks or (not turns and role == "assistant"):
                continue
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
        return turns

    def _blocks(self, message: Message) -> Blocks:
        if message.role == "system":
            return []
        if message.role == "tool":
            return [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.content}]
        if message.calls and (known := self._turns.get(message.calls[0].call_id)):
            return list(known)
        text: Blocks = [{"type": "text", "text": message.content}] if message.content.strip() else []
        return text + [_tool_use(call.call_id, call.name, call.args) for call in message.calls]

    def _remember(self, call_id: str, blocks: Blocks) -> None:
        self._turns[call_id] = blocks
        while len(self._turns) > _TURNS:
            self._turns.popitem(last=False)


def _tool(spec: ActionSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "input_schema": spec.schema()}


def _tool_use(call_id: str, name: str, args: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": args if isinstance(args, dict) else {}}


class _Answer:
    """The events of one message. `remember` is told of a turn that must come back as it was."""

    def __init__(self, model: str, remember: Callable[[str, Blocks], None]) -> None:
        self.reason = ""
        self._model = model
        self._remember = remember
        self._usage: dict[str, int] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: defaultdict[int, list[str]] = defaultdict(list)  # of a block's text, thoughts or arguments

    def take(self, event: Any) -> Iterator[Delta]:
        if event.type == "message_start":
            self._model = event.message.model or self._model
            self._note_usage(event.message.usage)
        elif event.type == "content_block_start":
            yield from self._started(event.index, event.content_block)
        elif event.type == "content_block_delta":
            yield from self._delta(event.index, event.delta)
        elif event.type == "message_delta":
            self._note_usage(event.usage)
            self._note_reason(event.delta.stop_reason)
        elif event.type == "error":  # under another event name than the SDK looks for
            raise told(200, event.model_extra)

    def end(self) -> Iterator[Delta]:
        if not self.reason:
            return
        calls = list(self._completed())
        if calls and any(block["type"].endswith("thinking") for block in self._blocks.values()):
            self._remember(calls[0].call_id, [block for block in self._blocks.values() if block.get("text") != ""])
        yield from calls
        yield Finish(self.reason, self._model, self._usage or None)

    def _started(self, index: int, block: Any) -> Iterator[Delta]:
        if block.type == "text":
            self._blocks[index] = {"type": "text"}
            yield from self._piece(index, Text, block.text)
        elif block.type == "thinking":
            self._blocks[index] = {"type": "thinking", "signature": block.signature or ""}
            yield from self._piece(index, Reasoning, block.thinking)
        elif block.type == "redacted_thinking":
            self._blocks[index] = {"type": "redacted_thinking", "data": block.data}
        elif block.type == "tool_use":
            self._blocks[index] = _tool_use(block.id, block.name, block.input)

    def _delta(self, index: int, delta: Any) -> Iterator[Delta]:
        if delta.type == "text_delta":
            yield from self._piece(index, Text, delta.text)
        elif delta.type == "thinking_delta":
            yield from self._piece(index, Reasoning, delta.thinking)
        elif delta.type == "signature_delta":
            self._blocks[index]["signature"] += delta.signature
        elif delta.type == "input_json_delta":
            self._pieces[index].append(delta.partial_json)
        elif delta.type == "citations_delta":
            yield _citation(delta.citation)

    def _piece(self, index: int, kind: type[Text] | type[Reasoning], text: Any) -> Iterator[Delta]:
        if text and not isinstance(text, str):
            raise ProviderProtocol
        if text:
            self._pieces[index].append(text)
            yield kind(text)

    def _completed(self) -> Iterator[ToolCall]:
        """Joins what came in pieces; yields the tool calls among the blocks."""
        for index, block in self._blocks.items():
            written = "".join(self._pieces[index])
            if block["type"] in ("text", "thinking"):
                block[block["type"]] = written
            elif block["type"] == "tool_use":
                args = parsed(written) if written else block["input"]
                block["input"] = args if isinstance(args, dict) else {}
                yield ToolCall(block["id"], block["name"], args)

    def _note_usage(self, usage: Any) -> None:
        """Counts are running totals; what was written to a cache or read from one is input all the same."""
        if usage is None:
            return
        read = [getattr(usage, f"{kind}input_tokens", None) for kind in ("", "cache_creation_", "cache_read_")]
        total = {"input_tokens": sum(count for count in read if isinstance(count, int))}
        if isinstance(usage.output_tokens, int):
            total["output_tokens"] = usage.output_tokens
        for name, count in total.items():
            self._usage[name] = max(count, self._usage.get(name, 0))

    def _note_reason(self, reason: str | None) -> None:
        if reason == "refusal":
            raise ContentRefused
        if reason:
            self.reason = _REASONS.get(reason, reason)


def _citation(cited: Any) -> Citation:
    title = getattr(cited, "title", None) or getattr(cited, "document_title", None) or "Source"
    url = getattr(cited, "url", None) or getattr(cited, "source", None) or ""
    return Citation(str(title), str(cited.cited_text or ""), str(url))
