"""A real gunicorn process on a free port of loopback, and what can be seen of it from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-for-system-tests-that-is-long-enough"
# Longest that a start or a clean end may take; seconds.
PATIENCE = 30.0


class Server:
    """`gunicorn APP` with its own configuration file, logging to a file; settings by keyword as ASSISTANT_* names."""

    def __init__(
        self,
        folder: Path,
        app: str = "tests.system.app:app",
        *,
        workers: int = 1,
        host: str = "127.0.0.1",
        **settings: Any,
    ) -> None:
        # bound here and handed on: a port that was only looked up may be taken by the time the server binds it
        self._listener = socket.create_server((host, 0), backlog=2048)
        self.port = self._listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        modes = ("count", "hold", "flood", "careful", "upstream", "ask")
        rates = ",".join(f"{mode}=100000/minute" for mode in modes)
        settings = {"max_active_per_user": 1000, "rates": rates, **settings}
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "JWT_"))},
            **{f"ASSISTANT_{name.upper()}": str(value) for name, value in settings.items()},
            "JWT_SECRET_KEY": SECRET,
            "WORKERS": str(workers),
            "ANNOUNCE": "1",
        }
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> subprocess.Popen[bytes]:
        # a file and not a pipe: a pipe that nobody reads freezes the worker
        with self.log.open("ab") as log, self._listener as listener:
            command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", self._app]
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environ, stdout=log, stderr=log, pass_fds=[listener.fileno()]
            )
        return self._process

    def wait_ready(self) -> None:
        """Until the server answers, and each of its workers that says so has loaded the app: requests go to all of them."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.base}/readyz", timeout=PATIENCE).status_code == 200 and self._all_loaded():
                    return
            except (requests.ConnectionError, requests.Timeout):  # the master listens before its workers do
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server did not come up:\n{self.log.read_text()[-3000:]}")

    def _all_loaded(self) -> bool:
        log = self.log.read_text()
        return "loaded by" not in log or all(f"loaded by {one.pid}\n" in log for one in self.workers())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def workers(self) -> list[psutil.Process]:
        """All workers, the oldest first."""
        found: list[psutil.Process] = sorted(
            psutil.Process(self.process.pid).children(), key=lambda one: (one.create_time(), one.pid)
        )
        return found

    def worker(self) -> psutil.Process:
        """The only worker."""
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def connections(self) -> int:
        """The sockets that the worker holds towards clients."""
        return sum(one.laddr.port == self.port and bool(one.raddr) for one in self.worker().net_connections("tcp"))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within: float) -> int:
        """The exit code, once the server has ended by itself."""
        return self.process.wait(within)

    def kill(self) -> None:
        """Ends the server and its workers whatever state they are in."""
        if self._process is None or self._process.poll() is not None:
            return
        family = [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=5)
        self._process.wait(5)
