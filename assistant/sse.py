"""Encoding and decoding of text/event-stream (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

MIMETYPE = "text/event-stream"

# A comment line without a blank line after it: some parsers make an empty event of a comment and a blank line.
HEARTBEAT = b":\n"

_LINE_END = re.compile(rb"\r\n|\n|\r")

dumps = orjson.dumps
loads = orjson.loads


def encode(name: str, data: Any, event_id: str | None = None) -> bytes:
    """One frame. `name` and `event_id` are ours, so they hold no line break; JSON text holds none by its grammar."""
    return frame(name, orjson.dumps(data), event_id)


def frame(name: str, payload: bytes, event_id: str | None = None) -> bytes:
    """One frame around JSON that is encoded already."""
    if event_id is None:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), payload)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), name.encode(), payload)


# The frame of the event `<attempt>-<seq>`, the same bytes for every viewer: attempt, seq, name, payload.
NUMBERED = b"id: %d-%d\nevent: %b\ndata: %b\n\n"


def numbered(name: str, payload: bytes, attempt: int, seq: int) -> bytes:
    """The frame of the event `<attempt>-<seq>`: the same bytes for every viewer, made once."""
    return NUMBERED % (attempt, seq, name.encode(), payload)


def retry(milliseconds: int) -> bytes:
    """The line that tells a client how long to wait before it reconnects."""
    return b"retry: %d\n" % milliseconds


@dataclass(frozen=True, slots=True)
class Message:
    """One dispatched event: its name, its data as text, and the last event id at that moment."""

    event: str
    data: str
    id: str

    def json(self) -> Any:
        return orjson.loads(self.data)


def decode(blocks: Iterable[bytes]) -> Iterator[Message]:
    """The messages of a byte stream, however it is cut. An unfinished event at the end is dropped, as the rules say."""
    name = last_id = ""
    data: list[str] = []
    for line in _lines(blocks):
        if not line:
            if data:
                yield Message(name or "message", "\n".join(data), last_id)
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
        elif key == "id" and "\0" not in value:
            last_id = value


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Lines ended by LF, CR or CRLF, also when the pair is cut between two blocks; a leading BOM is dropped."""
    rest, first, after_cr = b"", True, False
    for arrived in blocks:
        if not arrived:
            continue
        block = arrived[1:] if after_cr and arrived[:1] == b"\n" else arrived
        after_cr = arrived[-1:] == b"\r"
        *lines, rest = _LINE_END.split(rest + block)
        for line in lines:
            yield _text(line, first)
            first = False


def _text(line: bytes, first: bool) -> str:
    text = line.decode("utf-8", "replace")
    return text.removeprefix("\ufeff") if first else text
