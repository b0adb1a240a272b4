"""Clients: many users in one process, so that the generator costs less than the server it loads.

One epoll loop over non-blocking sockets. While bytes arrive they are only kept and timed; a stream is taken apart and
verified once it has ended. Each client has one connection, anew where the server ends it, and a user of its own.
"""

from __future__ import annotations

import math
import random
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import orjson

from .verify import arrivals, begun, fault, payload, whole
from .workload import CALM, Shape, Workload

Address = tuple[str, int]

# How long clients may take beyond the workload's own time before the run is given up; seconds.
_PATIENCE = 60.0
# How often `Hooks.tick` is called; seconds.
_TICK = 0.25
# When all clients have come and the work of their coming is done, after the ramp; seconds.
_SETTLE = 3.0
_READ = 256 * 1024
# How much a slow client reads at a time, and how often; bytes and seconds.
_SIP, _SIP_EVERY = 2048, 0.05
# How often a probe posts; seconds.
_PROBE_EVERY = 0.5
_LAST_CHUNK = b"\r\n0\r\n\r\n"
# A whole response without a body, from a server that ends the connection.
_EMPTY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_STREAM_URL = re.compile(rb'"stream_url": ?"([^"]+)"')


@dataclass(slots=True)
class Tally:
    """What all clients of one run saw. Times in seconds; `faults` counts what was wrong, by kind."""

    post: list[float] = field(default_factory=list)
    probe: list[float] = field(default_factory=list)  # POSTs of the probes
    arrivals: list[tuple[float, float]] = field(
        default_factory=list
    )  # of chunks: when, and how long after they were due
    steady: list[float] = field(default_factory=list)  # when the steady time began and ended; since 1970
    first_byte: list[float] = field(default_factory=list)
    first_chunk: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    streams: int = 0
    events: int = 0
    open: int = 0  # streams that were open when all had come
    duration: float = 0.0
    cpu: float = 0.0  # of this process, as a share of one core

    @property
    def steady_arrivals(self) -> list[tuple[float, float]]:
        """Those while all streams were open."""
        begin, end = self.steady if len(self.steady) == 2 else (math.inf, math.inf)
        return [one for one in self.arrivals if begin <= one[0] < end]


class _State(Enum):
    WAITING = 1
    CONNECTING = 2
    POSTING = 3
    STREAMING = 4
    RESTING = 5
    OVER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a caller of `run` wants to be called for."""

    tick: Callable[[], object] = lambda: None  # several times a second
    opened: Callable[[], object] = lambda: None  # once, when all clients have come
    steady: Callable[[], object] = lambda: None  # when the steady time begins and when it ends
    leaving: Callable[[], object] = lambda: None  # once, before clients that only hold a stream leave, all at once


@dataclass(frozen=True, slots=True)
class _Run:
    """What all clients of one run share; moments are those of time.perf_counter."""

    address: Address
    workload: Workload
    poll: select.epoll
    begin: float
    hooks: Hooks
    tally: Tally = field(default_factory=Tally)
    later: list[_Client] = field(default_factory=list)  # what ended and is not taken apart yet
    joining: list[_Client] = field(default_factory=list)  # those that have just been told of a stream to watch
    resting: list[tuple[float, _Client]] = field(default_factory=list)  # until when, in the order of these moments

    @property
    def stop_looping(self) -> float:
        """When clients begin nothing new."""
        looping = self.workload.loops or self.workload.probes
        return self.begin + self.workload.ramp + (self.workload.seconds if looping else 0)

    @property
    def give_up(self) -> float:
        return self.begin + self.workload.ramp + self.workload.seconds + _PATIENCE


def run(
    address: Address,
    workload: Workload,
    tokens: Sequence[str],
    hooks: Hooks | None = None,
) -> Tally:
    """Runs a workload against a server, one client a token; ends when every client has ended or patience has."""
    cpu = time.process_time()
    dice = random.Random(7)
    with select.epoll() as poll:
        this = _Run(address, workload, poll, time.perf_counter(), hooks or Hooks())
        clients = [_Client(this, token, workload.ramp * at, dice) for at, token in _spread(tokens)]
        probing = tokens[:: max(1, len(tokens) // max(1, workload.probes))][: workload.probes]
        # once all have come, and spread over the time between two POSTs of one: else all would post in the same moment
        calm = workload.ramp + CALM
        clients += [_Probe(this, token, calm + _PROBE_EVERY * at, dice) for at, token in _spread(probing)]
        _drive(this, clients)
    this.tally.duration = time.perf_counter() - this.begin
    this.tally.cpu = (time.process_time() - cpu) / this.tally.duration
    for client in this.later:
        client.judge()
    return this.tally


def _spread(tokens: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Each token with its place between 0 and 1."""
    return ((index / len(tokens), token) for index, token in enumerate(tokens))


class _Client:
    """One user: connects `after` so many seconds, posts, streams, and posts again while its run loops."""

    __slots__ = ("_dice", "_earlier", "_first_byte", "_first_chunk", "_get", "_leaves_after", "_parts", "_post", "_run",
                 "_seen", "_sent", "_slow", "_socket", "_tally", "_times", "_token", "begin", "fd", "state")  # fmt: skip

    def __init__(self, this: _Run, token: str, after: float, dice: random.Random) -> None:
        self._run = this
        self._tally = this.tally
        self._token = token.encode()
        self._dice = dice
        self._post = self._post_bytes()
        self._get = b""
        self._parts: list[bytes] = []  # of the response that arrives
        self._times: list[float] = []  # of the parts; seconds since 1970
        self._earlier = b""  # what connections before this one have brought of the stream
        self._seen = 0
        self._leaves_after = 0  # bytes; 0 for a client that stays
        self._slow = dice.random() < this.workload.slow
        self._sent = 0.0
        self._first_byte = self._first_chunk = False
        self.begin = this.begin + after
        self.state = _State.WAITING
        self.fd = -1

    def connect(self) -> None:
        """Opens a connection; what is to be sent follows once it stands."""
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._slow:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * _SIP)
        self._sent = time.perf_counter()  # the first request takes its connection's time too
        self._socket.connect_ex(self._run.address)
        self.fd = self._socket.fileno()
        self.state = _State.CONNECTING
        self._run.poll.register(self.fd, select.EPOLLOUT)

    def ready(self) -> None:
        """Something has happened on the connection."""
        if self.state is _State.RESTING:  # nothing is expected now
            return self.end("connection cut")
        if self.state is _State.CONNECTING:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return self.end("no connection")
            self._run.poll.modify(self.fd, select.EPOLLIN)
            return self._send_get() if self._get else self._send(self._post, _State.POSTING)
        try:
            data = self._socket.recv(_SIP if self._slow else _READ)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            return self.end("connection cut")
        return self._posted(data) if self.state is _State.POSTING else self._streamed(data)

    def rested(self) -> None:
        """A slow client goes on reading."""
        if self.state is not _State.RESTING:
            return
        self.state = _State.STREAMING
        self._run.poll.modify(self.fd, select.EPOLLIN)

    def end(self, problem: str | None = None) -> None:
        """Closes the connection; `problem` is counted."""
        if problem is not None:
            self._tally.faults[problem] += 1
        if self.fd >= 0:
            self._socket.close()
        self.state = _State.OVER

    def over(self) -> None:
        """The run is over for a client that only held a stream open."""
        if self.state is _State.STREAMING and self._first_byte:
            self._tally.streams += 1
            return self.end()
        return self.end("not ended in time")

    @property
    def holds(self) -> bool:
        """Whether a stream is open here."""
        return self.state is _State.STREAMING and self._first_byte

    def _posted(self, data: bytes) -> None:
        self._parts.append(data)
        answer = b"".join(self._parts)
        head, found, body = answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not found or length is None or len(body) < int(length[1]):
            return
        self._note_post(time.perf_counter() - self._sent)
        url = _STREAM_URL.search(body)
        if not answer.startswith(b"HTTP/1.1 201 ") or url is None:
            self.end(f"POST {_status(answer)}")
            return
        self._answered(url[1])

    def _note_post(self, seconds: float) -> None:
        self._tally.post.append(seconds)

    def _answered(self, url: bytes) -> None:
        """The request is accepted: its stream is asked for, or the next POST follows where nobody streams."""
        if self._run.workload.shape is Shape.POST:
            self._tally.streams += 1
            self._again()
            return
        self._get = b"GET %b HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer %b\r\n" % (
            url,
            self._token,
        )
        self._run.joining.extend(self._follower() for _ in range(1, self._run.workload.viewers))
        self._earlier, self._leaves_after = b"", 0
        if self._dice.random() < self._run.workload.leavers:
            self._leaves_after = self._dice.randrange(200, 180 * self._run.workload.events)
        self._send_get()

    def _follower(self) -> _Client:
        """Another window of the same user, which watches the same stream."""
        other = _Client(self._run, self._token.decode(), 0.0, self._dice)
        other._get = self._get
        return other

    def _send_get(self) -> None:
        cursor = b"Last-Event-ID: %b\r\n" % begun(self._earlier) if self._earlier else b""
        self._first_byte = self._first_chunk = False
        self._seen = 0
        self._times = []
        self._sent = time.perf_counter()
        self._send(self._get + cursor + b"\r\n", _State.STREAMING)

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
        self._times.append(time.time())
        self._seen += len(data)
        if len(data) < len(_LAST_CHUNK) and len(self._parts) > 1:  # the end itself may come in pieces
            self._parts[-2:] = [b"".join(self._parts[-2:])]
            del self._times[-2]
        if self._parts[-1].endswith(_LAST_CHUNK):
            self._ended()
        elif 0 < self._leaves_after < self._seen:
            self._leave()
        elif self._slow:
            self.state = _State.RESTING
            self._run.poll.modify(self.fd, 0)
            self._run.resting.append((time.perf_counter() + _SIP_EVERY, self))

    def _leave(self) -> None:
        """Cuts the connection and comes again with the cursor."""
        self._earlier += whole(b"".join(self._parts))
        self._leaves_after = 0
        if b"\nevent: complete\n" in self._earlier:  # it has all: behind the terminal event there is nothing to resume
            self._parts = [_EMPTY]
            self._ended()
            return
        self._socket.close()
        self.connect()

    def _ended(self) -> None:
        if not self._run.workload.loops:  # the others shall not wait while this one is taken apart
            self._run.later.append(self)
            self.end()
        elif self.judge():
            self._again()

    def judge(self) -> bool:
        """Takes the stream apart and counts it; ends the client when something is wrong with it."""
        response = b"".join(self._parts)
        problem = fault(self._earlier, response, self._run.workload.events)
        if problem is not None:
            self.end(problem)
            return False
        self._tally.streams += 1
        self._tally.events += self._run.workload.log_length
        if self._run.workload.gap:
            self._tally.arrivals += arrivals(self._parts, self._times)
        return True

    def _again(self) -> None:
        """The next POST, over a new connection where the server has ended this one."""
        closed = self.state is _State.STREAMING and payload(b"".join(self._parts)).closes
        self._get = b""
        if time.perf_counter() >= self._run.stop_looping:
            self.end()
        elif closed:
            self._socket.close()
            self.connect()
        else:
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
        this = self._run.workload
        asked = {"events": this.events, "gap": this.gap, "hold": this.hold}
        body = orjson.dumps({"prompt": "Say it again.", "mode": "bench", "context": asked})
        return (
            b"POST /assistant/request HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (self._token, len(body), body)
        )


class _Probe(_Client):
    """A user who posts a short request twice a second and streams none, to see how long a POST takes meanwhile."""

    __slots__ = ()

    def _note_post(self, seconds: float) -> None:
        self._tally.probe.append(seconds)

    def _answered(self, _: bytes) -> None:
        if time.perf_counter() >= self._run.stop_looping:
            return self.end()
        self.state = _State.RESTING
        self._run.resting.append((time.perf_counter() + _PROBE_EVERY, self))
        return None

    def rested(self) -> None:
        if self.state is _State.RESTING:
            self._sent = time.perf_counter()
            self._send(self._post, _State.POSTING)

    def _post_bytes(self) -> bytes:
        body = b'{"prompt":"Say it again.","mode":"bench","context":{"events":1,"gap":0,"hold":0}}'
        return (
            b"POST /assistant/request HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (self._token, len(body), body)
        )


def _drive(this: _Run, clients: list[_Client]) -> None:
    """Turns the loop: clients begin at their moments and hear of what happens on their connections."""
    waiting = sorted(clients, key=lambda client: -client.begin)
    by_fd: dict[int, _Client] = {}
    tick, settled, opened = 0.0, this.begin + this.workload.ramp + _SETTLE, math.inf
    turns = [this.begin + moment for moment in this.workload.steady or ()]
    while waiting or by_fd:
        now = time.perf_counter()
        while waiting and waiting[-1].begin <= now:
            client = waiting.pop()
            client.connect()
            by_fd[client.fd] = client
        if now >= tick:
            this.hooks.tick()
            tick = now + _TICK
            if now >= settled and (not this.workload.hold or all(client.holds for client in by_fd.values())):
                settled, opened = math.inf, now
                this.tally.open = sum(client.holds for client in by_fd.values())
                this.hooks.opened()
        if turns and now >= turns[0]:
            turns.pop(0)
            this.tally.steady.append(time.time())
            this.hooks.steady()
        if _all_ended(this, [*waiting, *by_fd.values()], now, opened):
            return
        while this.resting and this.resting[0][0] <= now:
            this.resting.pop(0)[1].rested()
        for client in this.joining:
            client.connect()
            by_fd[client.fd] = client
        this.joining.clear()
        soon = [client.begin for client in waiting[-1:]] + [until for until, _ in this.resting[:1]]
        _poll(this, by_fd, max(0.0, min(soon, default=now + _TICK) - now))


def _all_ended(this: _Run, clients: list[_Client], now: float, opened: float) -> bool:
    """Whether the run is over for all, by its plan or because it took too long; `opened` is when all had come."""
    if this.workload.shape is Shape.HOLD and now >= opened + this.workload.seconds:
        this.hooks.leaving()
        for client in clients:
            client.over()
        return True
    if now >= this.give_up:
        for client in clients:
            client.end("not ended in time")
        return True
    return False


def _poll(this: _Run, by_fd: dict[int, _Client], pause: float) -> None:
    for fd, _ in this.poll.poll(min(pause, _TICK), max(1, len(by_fd))):
        client = by_fd[fd]
        client.ready()
        if client.state is _State.OVER:
            del by_fd[fd]
        elif client.fd != fd:  # it has connected anew
            del by_fd[fd]
            by_fd[client.fd] = client


def _status(answer: bytes) -> str:
    return answer[9:12].decode("ascii", "replace")
