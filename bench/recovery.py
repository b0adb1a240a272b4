"""`python -m bench.recovery`: how long after a worker was killed each of its requests has its end, over many kills.

Two workers over one Redis; in turn one of them is killed (kill -9) with requests in flight. Exits 1 when an event was lost,
doubled or reordered, or when the 99th percentile is above five seconds.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.redis.servers import RedisServer  # noqa: E402
from tests.system.redis.swarm import Swarm  # noqa: E402
from tests.system.server import Server  # noqa: E402

from . import report  # noqa: E402

# What a viewer waits at most (protocol, Life of a request); seconds.
BOUND = 5.0


def kill_one(server: Server, number: int, requests: int) -> tuple[list[float], Counter[str], list[str]]:
    """The delays of the lost worker's requests, all outcomes, and what was wrong."""
    swarm = Swarm(server.base, requests, count=80, pause=0.05)
    swarm.wait_streaming()
    workers = server.workers()
    workers[number % len(workers)].kill()
    killed = time.monotonic()
    swarm.join(60)
    delays = [one.ended_at - killed for one in swarm.followers if one.outcome != "completed" and one.ended_at]
    return delays, Counter(swarm.outcomes()), swarm.wrong()


def main() -> int:
    options = _options()
    delays: list[float] = []
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(options.kind) as redis,
        Server(Path(folder), workers=2, registry=redis.url, socket_driver=True, heartbeat=2) as server,
    ):
        for number in range(options.kills):
            found, ends, faults = kill_one(server, number, options.requests)
            delays, outcomes, wrong = delays + found, outcomes + ends, wrong + faults
            print(f"kill {number + 1}: {len(found)} lost, {max(found, default=0):.2f} s", file=sys.stderr, flush=True)
            server.wait_ready()
    delays.sort()
    shares = {share: delays[int(share * (len(delays) - 1))] for share in (0.5, 0.9, 0.99, 1.0)} if delays else {}
    print(report.machine(None).replace("; not pinned: fewer than two CPUs", "; not pinned"))
    print(f"{options.kills} kills with {options.requests} requests in flight: {dict(outcomes)}; wrong: {len(wrong)}")
    print("seconds to the end of a lost request: " + ", ".join(f"p{100 * s:g} {v:.2f}" for s, v in shares.items()))
    for line in wrong[:20]:
        print(line)
    return int(bool(wrong) or shares.get(0.99, 0.0) > BOUND)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how often (default 100)")
    parser.add_argument("--requests", type=int, default=50, help="how many are in flight (default 50)")
    parser.add_argument("--kind", choices=("valkey", "redis"), default="valkey", help="which server (default valkey)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
