"""What is wrong with a stream: every byte of it is accounted for, every id and every text in its place."""

from __future__ import annotations

import re

_FRAME = re.compile(rb"(?:retry: \d+\n|:\n)*id: 1-(\d+)\nevent: (\w+)\ndata: ([^\n]*)\n\n")
_NUMBER = re.compile(rb'"text": ?"(\d+) ')
_TERMINAL = (b"complete", b"error")


def fault(response: bytes, chunks: int) -> str | None:
    """What is wrong with an HTTP response that should hold one whole answer of `chunks` numbered texts; else None."""
    body = _body(response)
    if body is None:
        return "broken framing"
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


def _body(response: bytes) -> bytes | None:
    """The body of a chunked response; None when it is not whole (RFC 9112, section 7.1)."""
    head, _, rest = response.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return None
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = rest.find(b"\r\n", at)
        if line_end < 0:
            return None
        try:
            size = int(rest[at:line_end], 16)
        except ValueError:
            return None
        begin, end = line_end + 2, line_end + 2 + size
        if rest[end : end + 2] != b"\r\n":
            return None
        if size == 0:
            return b"".join(parts) if end + 2 == len(rest) else None
        parts.append(rest[begin:end])
        at = end + 2
