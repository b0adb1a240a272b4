"""diagnosis: an answer by which `flask assistant doctor --url` measures the way to the browser, without a model."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from ..events import Event, chunk
from ..protocols import HandlerRun

MODE = "doctor"

# A chunk a fifth of a second is what a model does; two seconds of them are seen to arrive together or apart.
_CHUNKS, _PAUSE = 10, 0.2
# How much longer than a heartbeat the silence is: one must have come by then; seconds.
_BEYOND = 6.0


def diagnosis(run: HandlerRun) -> Generator[Event, Any, None]:
    """Chunks at the pace of a model, a silence that only a heartbeat breaks, and a last chunk."""
    for number in range(_CHUNKS):
        yield chunk(f"{number} ")
        time.sleep(_PAUSE)
    time.sleep(run.settings.heartbeat + _BEYOND)
    yield chunk("done\n")
