"""The same server as it is written in an afternoon: a dict of queues, a producer greenlet, a generator that yields.

No login, no limits, no replay, no cancel, no clean-up of what nobody streams. It speaks the same events, so that one
client checks both.
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
from flask import Flask, Response, abort, request  # noqa: E402
from gevent.queue import Empty, Queue  # noqa: E402

from bench.workload import texts  # noqa: E402

# Longest silence on a stream; seconds.
_HEARTBEAT = 15

app = Flask(__name__)
queues: dict[str, Any] = {}


def new_queue(_: str) -> Any:
    return Queue()


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/assistant/request")
def submit() -> tuple[dict[str, str], int]:
    asked = request.get_json()["context"]
    request_id = str(uuid.uuid4())
    queues[request_id] = queue = new_queue(request_id)
    queue.put(("status", json.dumps({"state": "accepted", "ts": _now()})))
    gevent.spawn(produce, queue, asked["events"], asked["gap"], asked["hold"])
    return {
        "request_id": request_id,
        "status": "accepted",
        "stream_url": f"/assistant/stream/{request_id}",
    }, 201


def produce(queue: Any, events: int, gap: float, hold: float) -> None:
    queue.put(("status", json.dumps({"state": "running", "ts": _now()})))
    told = []
    for text in texts(events, gap, hold):
        queue.put(("response_chunk", json.dumps({"text": text, "part": "text", "index": 0, "ts": _now()})))
        told.append(text)
    queue.put(("complete", json.dumps({"outcome": "completed", "text": "".join(told), "ts": _now()})))


@app.get("/assistant/stream/<request_id>")
def stream(request_id: str) -> Response:
    if request_id not in queues:
        abort(404)
    return Response(frames(request_id), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


def frames(request_id: str) -> Iterator[str]:
    queue, seq = queues[request_id], 0
    try:
        while True:
            try:
                name, data = queue.get(timeout=_HEARTBEAT)
            except Empty:
                yield ":\n"
                continue
            seq += 1
            yield f"id: 1-{seq}\nevent: {name}\ndata: {data}\n\n"
            if name == "complete":
                return
    finally:
        queues.pop(request_id, None)


def _now() -> int:
    return time.time_ns() // 1_000_000


if secret := os.environ.get("JWT_SECRET_KEY"):  # the same with the usual extensions in front of the POST
    from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required
    from flask_limiter import Limiter

    app.config["JWT_SECRET_KEY"] = secret
    JWTManager(app)
    limiter = Limiter(get_jwt_identity, app=app, storage_uri="memory://", strategy="fixed-window")
    app.before_request(lambda: gevent.sleep(0))  # without it a connection that is always busy never lets others in
    app.view_functions["submit"] = jwt_required()(limiter.limit("1000000/minute")(app.view_functions["submit"]))

if url := os.environ.get("REDIS_URL"):  # the same, where a queue is a stream in Redis
    from bench.peers.xread import log_in

    new_queue = log_in(url)  # type: ignore[assignment]
