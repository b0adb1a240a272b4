"""Delivery: one stream on its way to a client. What either driver says of it, it says here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..signals import emit, stream_closed, stream_opened
from ..viewer import Viewer


@dataclass(frozen=True, slots=True)
class Delivery:
    """`stall_timeout` bounds in seconds how long sent bytes may stay unacknowledged; signals have `sender`."""

    viewer: Viewer
    stall_timeout: float
    sender: Any = None

    def opened(self) -> None:
        """Announces the stream; called once, before its first block is asked for."""
        viewer = self.viewer
        emit(stream_opened, self.sender, ctx=viewer.ctx, cursor=str(viewer.cursor), reset=viewer.reset)

    def closed(self) -> None:
        """Announces its end; called once, after the viewer has given back what it held. A receiver may wait."""
        viewer = self.viewer
        emit(stream_closed, self.sender, ctx=viewer.ctx, reason=viewer.end_reason, cursor=str(viewer.cursor),
             bytes=viewer.bytes, duration=viewer.duration)  # fmt: skip
