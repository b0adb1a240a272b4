"""The naive server without Flask, gunicorn and WSGI: a queue and two greenlets a stream over gevent's bare sockets.

usage: python -m bench.peers.raw PORT"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # before anything else is imported

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.queue import Empty, Queue  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from bench.workload import texts  # noqa: E402

_HEARTBEAT = 15
_HEAD = b"HTTP/1.1 %b\r\nContent-Type: %b\r\n%b\r\n\r\n"

queues: dict[str, Any] = {}


def frame(seq: int, name: str, data: Any) -> bytes:
    return b"id: 1-%d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), json.dumps(data).encode())


def produce(queue: Any, asked: Any) -> None:
    told = []
    queue.put(frame(1, "status", {"state": "accepted", "ts": _now()}))
    queue.put(frame(2, "status", {"state": "running", "ts": _now()}))
    for number, text in enumerate(texts(asked["events"], asked["gap"], asked["hold"])):
        queue.put(frame(number + 3, "response_chunk", {"text": text, "part": "text", "index": 0, "ts": _now()}))
        told.append(text)
    queue.put(frame(len(told) + 3, "complete", {"outcome": "completed", "text": "".join(told), "ts": _now()}))
    queue.put(None)


def handle(sock: Any, _: Any) -> None:
    rest = b""
    try:
        while True:
            while b"\r\n\r\n" not in rest:
                if not (data := sock.recv(8192)):
                    return
                rest += data
            head, _, rest = rest.partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                rest = _posted(sock, head, rest)
            else:
                _streamed(sock, head.split()[1].rpartition(b"/")[2].decode())
    except OSError:
        pass
    finally:
        sock.close()


def _posted(sock: Any, head: bytes, rest: bytes) -> bytes:
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(rest) < size:
        rest += sock.recv(8192)
    request_id = str(uuid.uuid4())
    queues[request_id] = queue = Queue()
    gevent.spawn(produce, queue, json.loads(rest[:size])["context"])
    body = json.dumps({"request_id": request_id, "stream_url": f"/assistant/stream/{request_id}"}).encode()
    sock.sendall(_HEAD % (b"201 Created", b"application/json", b"Content-Length: %d" % len(body)) + body)
    return rest[size:]


def _streamed(sock: Any, request_id: str) -> None:
    queue = queues.pop(request_id, None)
    if queue is None:  # also /healthz
        sock.sendall(_HEAD % (b"200 OK", b"application/json", b"Content-Length: 2") + b"{}")
        return
    sock.sendall(_HEAD % (b"200 OK", b"text/event-stream", b"Transfer-Encoding: chunked"))
    while True:
        try:
            block = queue.get(timeout=_HEARTBEAT)
        except Empty:
            block = b":\n"
        if block is None:
            break
        sock.sendall(b"%x\r\n%b\r\n" % (len(block), block))
    sock.sendall(b"0\r\n\r\n")


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), handle, backlog=4096).serve_forever()
