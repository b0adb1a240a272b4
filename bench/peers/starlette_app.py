"""The same server with FastAPI and sse-starlette, under uvicorn; in an environment of its own (starlette.txt)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sse_starlette.sse import EventSourceResponse

WORDS = "token token token"

app = FastAPI()
queues: dict[str, asyncio.Queue[Any]] = {}
tasks: set[asyncio.Task[None]] = set()


class Context(BaseModel):
    events: int
    gap: float
    hold: float = 0


class Asked(BaseModel):
    prompt: str
    mode: str
    context: Context


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/assistant/request", status_code=201)
async def submit(asked: Asked) -> dict[str, str]:
    request_id = str(uuid.uuid4())
    queue = queues[request_id] = asyncio.Queue()
    queue.put_nowait(("status", {"state": "accepted", "ts": _now()}))
    task = asyncio.create_task(produce(queue, asked.context))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return {"request_id": request_id, "status": "accepted", "stream_url": f"/assistant/stream/{request_id}"}


async def produce(queue: asyncio.Queue[Any], asked: Context) -> None:
    queue.put_nowait(("status", {"state": "running", "ts": _now()}))
    begin, told = time.time() + asked.hold, []
    if asked.hold:
        await asyncio.sleep(asked.hold)
    for number in range(asked.events):
        due = begin + (number + 1) * asked.gap
        await asyncio.sleep(max(0.0, due - time.time()) if asked.gap else 0)
        text = f"{number} {round(due * 1e6)} {WORDS}"
        queue.put_nowait(("response_chunk", {"text": text, "part": "text", "index": 0, "ts": _now()}))
        told.append(text)
    queue.put_nowait(("complete", {"outcome": "completed", "text": "".join(told), "ts": _now()}))


@app.get("/assistant/stream/{request_id}")
async def stream(request_id: str) -> EventSourceResponse:
    if request_id not in queues:
        raise HTTPException(404)
    return EventSourceResponse(frames(request_id), ping=15, sep="\n")


async def frames(request_id: str) -> AsyncIterator[dict[str, str]]:
    queue, seq = queues[request_id], 0
    try:
        while True:
            name, data = await queue.get()
            seq += 1
            yield {"id": f"1-{seq}", "event": name, "data": json.dumps(data)}
            if name == "complete":
                return
    finally:
        queues.pop(request_id, None)


def _now() -> int:
    return time.time_ns() // 1_000_000
