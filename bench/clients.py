"""Clients: many users in one process, so that the generator costs less than the server it loads.

One epoll loop over non-blocking sockets. While bytes arrive they are only kept and timed; a stream is taken apart and
verified once it has ended. Each client has one connection, anew where the server ends it, and a user of its own.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import orjson

from .verify import fault
from .workload import Workload

Address = tuple[str, int]

# How long clients may take beyond the workload's own time before the run is given up; seconds.
_PATIENCE = 60.0
# How often `on_tick` is called; seconds.
_TICK = 0.25
_READ = 256 * 1024
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_STREAM_URL = re.compile(rb'"stream_url": ?"([^"]+)"')


@dataclass(slots=True)
class Tally:
    """What all clients of one run saw. Times in seconds; `faults` counts what was wrong, by kind."""

    post: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    first_chunk: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    streams: int = 0
    events: int = 0
    duration: float = 0.0
    cpu: float = 0.0  # of this process, as a share of one core


class _State(Enum):
    WAITING = 1
    CONNECTING = 2
    POSTING = 3
    STREAMING = 4
    OVER = 5


@dataclass(frozen=True, slots=True)
class _Run:
    """What all clients of one run share; moments are those of time.perf_counter."""

    address: Address
    workload: Workload
    poll: select.epoll
    begin: float
    tally: Tally = field(default_factory=Tally)

    @property
    def stop_looping(self) -> float:
        return self.begin + (self.workload.seconds if self.workload.loops else 0)

    @property
    def give_up(self) -> float:
        return self.begin + self.workload.ramp + self.workload.seconds + _PATIENCE


def run(
    address: Address, workload: Workload, tokens: Sequence[str], on_tick: Callable[[], object] = lambda: None
) -> Tally:
    """Runs a workload against a server, one client a token; ends when every client has ended or patience has."""
    cpu = time.process_time()
    with select.epoll() as poll:
        this = _Run(address, workload, poll, time.perf_counter())
        _drive(this, [_Client(this, token, index / len(tokens)) for index, token in enumerate(tokens)], on_tick)
    this.tally.duration = time.perf_counter() - this.begin
    this.tally.cpu = (time.process_time() - cpu) / this.tally.duration
    return this.tally


class _Client:
    """One user: connects at its share of the ramp, posts, streams, and posts again while its run loops."""

    __slots__ = ("_first_byte", "_first_chunk", "_parts", "_post", "_run", "_sent", "_socket", "_tally", "_token",
                 "begin", "fd", "state")  # fmt: skip

    def __init__(self, this: _Run, token: str, share: float) -> None:
        self._run = this
        self._tally = this.tally
        self._token = token.encode()
        self._post = self._post_bytes()
        self._parts: list[bytes] = []
        self._sent = 0.0
        self._first_byte = self._first_chunk = False
        self.begin = this.begin + share * this.workload.ramp
        self.state = _State.WAITING
        self.fd = -1

    def connect(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sent = time.perf_counter()  # the first POST takes its connection's time too
        self._socket.connect_ex(self._run.address)
        self.fd = self._socket.fileno()
        self.state = _State.CONNECTING
        self._run.poll.register(self.fd, select.EPOLLOUT)

    def ready(self) -> None:
        """Something has happened on the connection."""
        if self.state is _State.CONNECTING:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return self.end("no connection")
            self._run.poll.modify(self.fd, select.EPOLLIN)
            self._send(self._post, _State.POSTING)
            return None
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            return self.end("connection cut")
        return self._posted(data) if self.state is _State.POSTING else self._streamed(data)

    def end(self, problem: str | None = None) -> None:
        """Closes the connection; `problem` is counted."""
        if problem is not None:
            self._tally.faults[problem] += 1
        if self.fd >= 0:
            self._socket.close()
        self.state = _State.OVER

    def _posted(self, data: bytes) -> None:
        self._parts.append(data)
        answer = b"".join(self._parts)
        head, found, body = answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not found or length is None or len(body) < int(length[1]):
            return
        self._tally.post.append(time.perf_counter() - self._sent)
        url = _STREAM_URL.search(body)
        if not answer.startswith(b"HTTP/1.1 201 ") or url is None:
            self.end(f"POST {_status(answer)}")
            return
        self._first_byte = self._first_chunk = False
        self._sent = time.perf_counter()
        self._send(
            b"GET %b HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer %b\r\n\r\n"
            % (url[1], self._token),
            _State.STREAMING,
        )

    def _streamed(self, data: bytes) -> None:
        if not self._first_byte:
            self._first_byte = True
            self._tally.first_byte.append(time.perf_counter() - self._sent)
            if not data.startswith(b"HTTP/1.1 200 "):
                self.end(f"GET {_status(data)}")
                return
        if not self._first_chunk and b"event: response_chunk" in data:
            self._first_chunk = True
            self._tally.first_chunk.append(time.perf_counter() - self._sent)
        self._parts.append(data)
        if len(data) < len(_LAST_CHUNK) and len(self._parts) > 1:  # the end itself may come in pieces
            self._parts[-2:] = [b"".join(self._parts[-2:])]
        if self._parts[-1].endswith(_LAST_CHUNK):
            self._ended(b"".join(self._parts))

    def _ended(self, response: bytes) -> None:
        if (problem := fault(response, self._run.workload.events)) is not None:
            self.end(problem)
            return
        self._tally.streams += 1
        self._tally.events += self._run.workload.log_length
        if time.perf_counter() >= self._run.stop_looping:
            self.end()
            return
        if b"\r\nConnection: close\r\n" in response.partition(b"\r\n\r\n")[0] + b"\r\n":
            self._socket.close()
            self.connect()
            return
        self._sent = time.perf_counter()
        self._send(self._post, _State.POSTING)

    def _send(self, data: bytes, state: _State) -> None:
        self._parts = []
        self.state = state
        try:
            whole = self._socket.send(data) == len(data)
        except OSError:
            whole = False
        if not whole:
            self.end("connection cut")

    def _post_bytes(self) -> bytes:
        asked = {"events": self._run.workload.events, "gap": self._run.workload.gap}
        body = orjson.dumps({"prompt": "Say it again.", "mode": "bench", "context": asked})
        return (
            b"POST /assistant/request HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (self._token, len(body), body)
        )


def _drive(this: _Run, clients: list[_Client], on_tick: Callable[[], object]) -> None:
    """Turns the loop: clients begin at their moments and hear of what happens on their connections."""
    waiting = clients[::-1]
    by_fd: dict[int, _Client] = {}
    tick = 0.0
    while waiting or by_fd:
        now = time.perf_counter()
        while waiting and waiting[-1].begin <= now:
            client = waiting.pop()
            client.connect()
            by_fd[client.fd] = client
        if now >= tick:
            on_tick()
            tick = now + _TICK
        if now >= this.give_up:
            for client in (*waiting, *by_fd.values()):
                client.end("not ended in time")
            return
        pause = min(waiting[-1].begin - now if waiting else _TICK, _TICK)
        for fd, _ in this.poll.poll(max(0.0, pause), max(1, len(by_fd))):
            client = by_fd[fd]
            client.ready()
            if client.state is _State.OVER:
                del by_fd[fd]
            elif client.fd != fd:  # it has connected anew
                del by_fd[fd]
                by_fd[client.fd] = client


def _status(answer: bytes) -> str:
    return answer[9:12].decode("ascii", "replace")
