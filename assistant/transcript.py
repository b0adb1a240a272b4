"""Transcript: what a request has said so far, which its terminal event says again as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .events import Event

# What the first chunk of an appendix says about it.
_ABOUT = ("kind", "title", "language", "url")


@dataclass(slots=True)
class _Part:
    """One run of chunks of one kind; `about` holds kind, title, language and url of an appendix."""

    part: str
    about: dict[str, str]
    texts: list[str] = field(default_factory=list)


class Transcript:
    """Numbers the parts of an answer and keeps their text and the actions."""

    __slots__ = ("_actions", "_appendix", "_parts", "chunks")

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._actions: dict[str, dict[str, Any]] | None = None  # made for the first one
        self._appendix = False
        self.chunks = 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transcript:
        """What the events of a log have said."""
        transcript = cls()
        for event in events:
            if event.name == "response_chunk":
                transcript.keep(event.data)
            elif event.name == "action":
                transcript.keep_action(event.data)
        return transcript

    def place(self, event: Event) -> dict[str, Any]:
        """A chunk's payload with its `index`. Raises ValueError for text after an appendix, and for an appendix
        that begins without a kind; nothing is kept until `keep`.

        An appendix that reasoning has interrupted goes on as a new part, which says again what it is."""
        data, parts = event.data, self._parts
        goes_on = parts and data["part"] == parts[-1].part and "kind" not in data  # nearly always
        if goes_on or not self._opens(data):
            return {**data, "index": len(parts) - 1}
        return {**self._resumed(data), **data, "index": len(parts)}

    def keep(self, data: dict[str, Any]) -> None:
        """Keeps a chunk that is in the log."""
        if data["index"] == len(self._parts):
            about = {name: str(data[name]) for name in _ABOUT if name in data}
            self._parts.append(_Part(data["part"], about))
            self._appendix = self._appendix or data["part"] == "appendix"
        self._parts[-1].texts.append(data["text"])
        self.chunks += 1

    def keep_action(self, data: dict[str, Any]) -> None:
        """Keeps the newest phase of an action that is in the log."""
        if self._actions is None:
            self._actions = {}
        known = self._actions.setdefault(data["action_id"], {})
        known.update({name: data[name] for name in data if name != "ts"})

    @property
    def text(self) -> str:
        return "".join(text for part in self._parts if part.part == "text" for text in part.texts)

    @property
    def parts(self) -> list[dict[str, Any]]:
        return [
            {"index": index, "part": part.part, **part.about, "text": "".join(part.texts)}
            for index, part in enumerate(self._parts)
        ]

    @property
    def actions(self) -> list[dict[str, Any]]:
        return list(self._actions.values()) if self._actions else []

    @property
    def partial(self) -> dict[str, Any]:
        return {"text": self.text, "parts": self.parts}

    def _resumed(self, data: dict[str, Any]) -> dict[str, str]:
        """What an appendix chunk without a kind continues."""
        if data["part"] != "appendix" or "kind" in data:
            return {}
        return next(part.about for part in reversed(self._parts) if part.part == "appendix")

    def _opens(self, data: dict[str, Any]) -> bool:
        """Whether this chunk begins a new part."""
        current = self._parts[-1].part if self._parts else None
        if data["part"] == "appendix":
            if "kind" not in data and not self._appendix:
                raise ValueError("the first chunk of an appendix names its kind")
            return "kind" in data or current != "appendix"
        if self._appendix and data["part"] == "text":
            raise ValueError("no text follows an appendix; send it as an appendix of its own")
        return bool(data["part"] != current)
