"""What is wrong with a stream: every byte of it is accounted for, every id and every text in its place."""

from __future__ import annotations

import re
from typing import NamedTuple

_FRAME = re.compile(rb"(?:retry: \d+\n|:\n)*id: 1-(\d+)\nevent: (\w+)\ndata: ([^\n]*)\n\n")
_NUMBER = re.compile(rb'"text": ?"(\d+) ')
_DUE = re.compile(rb'event: response_chunk\ndata: \{"text": ?"\d+ (\d{16}) ')
_IDS = re.compile(rb"id: (1-\d+)\n")
_TERMINAL = (b"complete", b"error")


class Payload(NamedTuple):
    """What a chunked response carries: its bytes so far, whether that is all, and whether its connection ends with it."""

    body: bytes
    complete: bool
    closes: bool


def fault(earlier: bytes, response: bytes, chunks: int) -> str | None:
    """What is wrong with an HTTP response that should hold one whole answer of `chunks` numbered texts, or the rest of one
    behind the frames that came `earlier`; else None."""
    found = payload(response)
    if not found.complete:
        return "broken framing"
    body = earlier + found.body
    between, ids, names, payloads = (_FRAME.split(body)[offset::4] for offset in range(4))
    if any(between):
        return "bytes that are no event"
    return _ids_fault([int(text) for text in ids], chunks + 3) or _content_fault(names, payloads, chunks)


def _ids_fault(ids: list[int], expected: int) -> str | None:
    if ids == list(range(1, expected + 1)):
        return None
    if len(set(ids)) < len(ids):
        return "doubled events"
    if sorted(ids) != ids:
        return "reordered events"
    return "lost events" if len(ids) < expected else "more events than asked for"


def _content_fault(names: list[bytes], payloads: list[bytes], chunks: int) -> str | None:
    if names[-1] == b"error":
        return "ended in an error event"
    if names[-1] != b"complete" or any(name in _TERMINAL for name in names[:-1]):
        return "not exactly one terminal event at the end"
    if names[2:-1] != [b"response_chunk"] * chunks:
        return "other events than asked for"
    numbers = _NUMBER.findall(b"\n".join(payloads[2:-1]))
    return None if [int(number) for number in numbers] == list(range(chunks)) else "texts out of order"


def payload(response: bytes) -> Payload:
    """Takes the chunks of a response apart (RFC 9112, section 7.1), as far as it has come."""
    head, _, rest = response.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    closes = b"\r\nconnection: close\r\n" in head
    parts: list[bytes] = []
    at = 0
    while b"transfer-encoding: chunked" in head:
        line_end = rest.find(b"\r\n", at)
        size = _size(rest[at:line_end]) if line_end >= 0 else None
        if size is None:
            break
        begin, end = line_end + 2, line_end + 2 + size
        parts.append(rest[begin:end])
        if rest[end : end + 2] != b"\r\n":
            break
        if size == 0:
            return Payload(b"".join(parts), end + 2 == len(rest), closes)
        at = end + 2
    return Payload(b"".join(parts), False, closes)


def whole(response: bytes) -> bytes:
    """The whole frames of a response that was cut."""
    body = payload(response).body
    return body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b""


def begun(frames: bytes) -> bytes:
    """The id of the last of some whole frames."""
    last: bytes = _IDS.findall(frames)[-1]
    return last


def arrivals(parts: list[bytes], times: list[float]) -> list[tuple[float, float]]:
    """When each chunk of a response came, and how late by the moment it was due; seconds. `times` are those of its parts."""
    found = []
    for part, arrived in zip(parts, times, strict=True):
        found += [(arrived, arrived - int(due) / 1e6) for due in _DUE.findall(part)]
    return found


def _size(line: bytes) -> int | None:
    try:
        return int(line, 16)
    except ValueError:
        return None
