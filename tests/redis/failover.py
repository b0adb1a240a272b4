"""A Redis with a replica and a sentinel that watches both, on loopback."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from tests.deploy.nginx import free_port
from tests.redis.servers import PATIENCE, RedisServer, binary

# How long the sentinel waits before it calls a master down; ms.
_DOWN = 500


class Failover:
    """Runs while entered; `kill_master` makes the replica the master within seconds."""

    def __init__(self) -> None:
        self.master = RedisServer()
        self.replica = RedisServer(replicaof=f"127.0.0.1 {self.master.port}")
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="sentinel-"))

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/main/0"

    def __enter__(self) -> Failover:
        self.master.start()
        self.replica.start()
        conf = self._folder / "sentinel.conf"
        conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {self.master.port} 1\n"
            f"sentinel down-after-milliseconds main {_DOWN}\nsentinel failover-timeout main 5000\n"
        )
        with (self._folder / "log").open("wb") as log:
            self._sentinel = subprocess.Popen([binary("valkey"), str(conf), "--sentinel"], stdout=log, stderr=log)
        self._wait_for_replica()
        return self

    def __exit__(self, *_: object) -> None:
        self._sentinel.kill()
        self._sentinel.wait(5)
        for server in (self.master, self.replica):
            server.__exit__()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill_master(self) -> None:
        self.master.kill()

    def _wait_for_replica(self) -> None:
        until = time.monotonic() + PATIENCE
        sentinel = redis.Redis(port=self.port, socket_timeout=2)
        while time.monotonic() < until:
            try:
                known = sentinel.execute_command("SENTINEL", "REPLICAS", "main")
                with self.replica.client() as client:
                    linked = client.info("replication")["master_link_status"] == "up"
                if known and linked:
                    sentinel.close()
                    return
            except redis.RedisError:
                pass
            time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text()[-2000:])
