"""Probe: a few streams whose every event is timed: from its `ts`, when the handler had it, to its arrival here; ms.

Clocks of one machine, so the difference is a delay; it is as exact as `ts`, a whole millisecond.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import http.client  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
import orjson  # noqa: E402

from .measure import _token as token  # noqa: E402

# Events of a probed stream a second.
_RATE = 20


def follow(port: int, number: int, seconds: float) -> list[float]:
    """The delays of one stream's chunks."""
    headers = {"Authorization": f"Bearer {token(f'probe-{number}')}", "Content-Type": "application/json"}
    context = {"events": round(seconds * _RATE), "gap": 1 / _RATE}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = orjson.dumps({"prompt": "Say it.", "mode": "bench", "context": context})
    connection.request("POST", "/assistant/request", body, headers)
    url = orjson.loads(connection.getresponse().read())["stream_url"]
    connection.close()  # the stream may be another worker's
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", url, headers=headers)
    response = connection.getresponse()
    delays: list[float] = []
    while line := response.readline():
        if line.startswith(b"data: "):
            now = time.time() * 1000
            data = orjson.loads(line[6:])
            if "part" in data:
                delays.append(round(now - data["ts"], 2))
    return delays[_RATE:]  # without the first second, in which everybody comes


def main() -> int:
    port, streams, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    jobs = [gevent.spawn(follow, port, number, seconds) for number in range(streams)]
    gevent.joinall(jobs, timeout=seconds + 60)
    print(orjson.dumps([delay for job in jobs for delay in job.value or ()]).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
