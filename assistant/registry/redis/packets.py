"""Packets: events as one process sends them to another, many requests in one message.

It is a copy for speed alone: who misses one, or gets it late, finds the same in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Packet(NamedTuple):
    """Consecutive frames of one attempt of one request."""

    request_id: str
    attempt: int
    first: int
    closed: bool
    frames: list[bytes]

    def dump(self) -> bytes:
        block = b"".join(self.frames)
        head = b"%b %d %d %d %d %d\n" % (
            self.request_id.encode(), self.attempt, self.first, self.closed, len(self.frames), len(block),
        )  # fmt: skip
        return head + block


def unpack(message: bytes) -> Iterator[tuple[str, int, int, bool, bytes]]:
    """The packets of a message as id, attempt, first number, whether the log has ended, and the joined frames."""
    at = 0
    while at < len(message):
        end = message.index(b"\n", at)
        name, attempt, first, closed, _, size = message[at:end].split(b" ")
        at = end + 1 + int(size)
        yield name.decode(), int(attempt), int(first), closed == b"1", message[end + 1 : at]
