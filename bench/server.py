"""Server: one process that serves, pinned to a CPU, and what /proc says of it; and the makers of all peers."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import psutil

from tests.redis.servers import RedisServer

ROOT = Path(__file__).resolve().parent.parent
SECRET = "the-load-test-signs-its-own-tokens-with-this-text"

# How long a server may take to come up, to answer (it may have 10,000 streams to close first), and to go; seconds.
_START, _ANSWER, _STOP = 30.0, 60.0, 15.0


class Server:
    """Runs while entered. Its files (log, instance) are in a folder of its own that goes with it."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], cpu: int | None) -> None:
        self._arguments = arguments
        self._environ = environ
        self._cpu = cpu
        self._worker: psutil.Process | None = None
        self.port = _free_port()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "JWT_"))}
        environ |= {"PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": str(self.port), **self._environ}
        with open(Path(self._folder.name) / "server.log", "wb") as log, pinned(self._cpu):
            self._process = subprocess.Popen(
                [part.format(port=self.port) for part in self._arguments],
                cwd=self._folder.name,
                env=environ,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_up()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self._stop()

    def get(self, path: str) -> Any:
        """The JSON that the server answers with."""
        connection = HTTPConnection(*self.address, timeout=_ANSWER)
        try:
            connection.request("GET", path)
            return orjson.loads(connection.getresponse().read())
        finally:
            connection.close()

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the worker has used."""
        used = self._the_worker().cpu_times()
        return used.user + used.system

    @property
    def rss(self) -> int:
        """Resident memory of the worker; bytes."""
        return int(self._the_worker().memory_info().rss)

    def _the_worker(self) -> psutil.Process:
        if self._worker is None:
            parent = psutil.Process(self._process.pid)
            (self._worker,) = parent.children() or [parent]
        return self._worker

    def _wait_until_up(self) -> None:
        give_up = time.monotonic() + _START
        while True:
            try:
                self.get("/healthz")
                return
            except (OSError, HTTPException) as problem:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    log = (Path(self._folder.name) / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"the server did not start:\n{log[-2000:]}") from problem
                time.sleep(0.05)

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


class OverRedis(Server):
    """Runs with a Redis of its own, on any CPU, that the environment names as `named`."""

    def __init__(self, alone: Server, named: str) -> None:
        super().__init__(alone._arguments, alone._environ, alone._cpu)
        self._redis = RedisServer(maxmemory="2gb")
        self._named = named

    def __enter__(self) -> Self:
        self._environ = {**self._environ, self._named: self._redis.url}
        try:
            self._redis.start()
            return super().__enter__()
        except BaseException:
            self._redis.__exit__()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            super().__exit__(kind, value, at)
        finally:
            self._redis.__exit__()


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """While entered, this process, and so each child it starts, runs on one CPU; on any when it is None."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin() -> tuple[int, int] | None:
    """One CPU for the server and one for this process; None where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[1]})
    return allowed[0], allowed[1]


def raise_descriptor_limit() -> None:
    """Each client is a descriptor here and one in the server, which inherits this limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


GUNICORN = [sys.executable, "-m", "gunicorn"]
# Where the environment of the peer that must not be in ours is made.
_STARLETTE = ROOT / "bench" / "out" / "starlette"


def product(streams: int, cpu: int | None, environ: Mapping[str, str] | None = None) -> Server:
    """The product under its own gunicorn.conf.py; its caps and rates are raised as a user would raise them."""
    room = max(1000, streams + streams // 10)
    return Server(
        [*GUNICORN, "-c", str(ROOT / "gunicorn.conf.py"), "bench.product:build()"],
        {
            "JWT_SECRET_KEY": SECRET,
            "ASSISTANT_RATES": "bench=1000000/minute",
            "ASSISTANT_MAX_ACTIVE": str(10 * room),
            "ASSISTANT_MAX_STREAMS": str(room),
            "ASSISTANT_MAX_ACTIVE_PER_USER": "1000",
            "WORKERS": "1",
            **(environ or {}),
        },
        cpu,
    )


def naive(streams: int, cpu: int | None, environ: Mapping[str, str] | None = None) -> Server:
    """The naive server with the same worker, backlog and keep-alive."""
    flags = (
        "--worker-class gevent --workers 1 --backlog 2048 --keep-alive 5 --no-control-socket --bind 127.0.0.1:{port}"
    )
    return Server(
        [*GUNICORN, *flags.split(), "--worker-connections", str(2 * streams + 200), "bench.peers.naive:app"],
        environ or {},
        cpu,
    )


def secured(streams: int, cpu: int | None) -> Server:
    """The naive server with flask-jwt-extended and flask-limiter in front of its POST."""
    return naive(streams, cpu, {"JWT_SECRET_KEY": SECRET})


def raw(_: int, cpu: int | None) -> Server:
    """The naive server over bare sockets of gevent."""
    return Server([sys.executable, "-m", "bench.peers.raw", "{port}"], {}, cpu)


def starlette(_: int, cpu: int | None) -> Server:
    """The naive server with FastAPI and sse-starlette, in its own environment. Raises CalledProcessError without one."""
    python = _STARLETTE / "bin" / "python"
    if not (_STARLETTE / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_STARLETTE)], check=True)
        wanted = str(ROOT / "bench" / "peers" / "starlette.txt")
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", wanted], check=True
        )
        (_STARLETTE / "ready").touch()
    flags = "--loop uvloop --http httptools --no-access-log --log-level error --backlog 4096 --port {port}"
    command = [str(python), "-m", "uvicorn", "bench.peers.starlette_app:app", *flags.split()]
    return Server(command, {}, cpu)


def shared(streams: int, cpu: int | None) -> Server:
    """The product over Redis."""
    return OverRedis(product(streams, cpu), "ASSISTANT_REGISTRY")


def xread(streams: int, cpu: int | None) -> Server:
    """The naive server over Redis."""
    return OverRedis(naive(streams, cpu), "REDIS_URL")


# Each peer by its name in the tables.
MAKERS: dict[str, Callable[[int, int | None], Server]] = {
    "assistant": product,
    "naive": naive,
    "starlette": starlette,
    "raw": raw,
    "secured": secured,
    "redis": shared,
    "xread": xread,
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
