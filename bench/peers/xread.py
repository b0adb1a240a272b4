"""The naive server over Redis, as it is written in an afternoon: an XADD for each event, a connection and a blocked XREAD for
each stream.

It survives its worker where `naive` does not, and any worker may stream; the rest is as there.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # before anything else is imported

import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import redis  # noqa: E402
from flask import Flask, Response, abort, request  # noqa: E402

from bench.workload import texts  # noqa: E402

# Longest silence on a stream, and how long a log is kept; seconds.
_HEARTBEAT, _KEPT = 15, 300

app = Flask(__name__)
# one for each stream and each event that is being added; the client's own bound of 100 would be a 500 for the others
store: Any = redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=10_000, socket_timeout=60)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/assistant/request")
def submit() -> tuple[dict[str, str], int]:
    asked = request.get_json()["context"]
    request_id = str(uuid.uuid4())
    add(request_id, "status", {"state": "accepted", "ts": _now()})
    store.expire(request_id, _KEPT)
    gevent.spawn(produce, request_id, asked["events"], asked["gap"], asked["hold"])
    return {
        "request_id": request_id,
        "status": "accepted",
        "stream_url": f"/assistant/stream/{request_id}",
    }, 201


def produce(request_id: str, events: int, gap: float, hold: float) -> None:
    add(request_id, "status", {"state": "running", "ts": _now()})
    told = []
    for text in texts(events, gap, hold):
        add(request_id, "response_chunk", {"text": text, "part": "text", "index": 0, "ts": _now()})
        told.append(text)
    add(request_id, "complete", {"outcome": "completed", "text": "".join(told), "ts": _now()})


def add(request_id: str, name: str, data: dict[str, Any]) -> None:
    store.xadd(request_id, {"name": name, "data": json.dumps(data)})


@app.get("/assistant/stream/<request_id>")
def stream(request_id: str) -> Response:
    if not store.exists(request_id):
        abort(404)
    return Response(frames(request_id), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


def frames(request_id: str) -> Iterator[str]:
    last, seq = b"0", 0
    while True:
        found = store.xread({request_id: last}, block=_HEARTBEAT * 1000)
        if not found:
            yield ":\n"
            continue
        for last, fields in found[0][1]:  # noqa: B007 - the next read goes on behind it
            seq += 1
            name = fields[b"name"].decode()
            yield f"id: 1-{seq}\nevent: {name}\ndata: {fields[b'data'].decode()}\n\n"
            if name == "complete":
                return


def _now() -> int:
    return time.time_ns() // 1_000_000
