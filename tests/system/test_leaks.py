"""Nothing stays behind: not of clients that never stream, reset, vanish or stop reading."""

from __future__ import annotations

import ctypes
import http.client
import itertools
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator

import gevent
import pytest
import requests

from tests.system.client import Client
from tests.system.server import Server

# Short: the bounds of the protocol are these plus one round of the janitor.
CLOCKS = {"unwatched_timeout": 2, "abandon_timeout": 2, "retention": 1, "stall_timeout": 3, "heartbeat": 2}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, socket_driver: bool) -> Iterator[Server]:
    options = {**CLOCKS, "max_active": 20_000, "socket_driver": socket_driver}
    with Server(tmp_path_factory.mktemp("leaks"), **options) as running:
        yield running


@pytest.fixture
def keeping_server(tmp_path_factory: pytest.TempPathFactory, socket_driver: bool) -> Iterator[Server]:
    """Keeps what has ended for longer than it lets a reader stall: who is cut has time to come back."""
    options = {**CLOCKS, "retention": 12, "socket_driver": socket_driver}
    with Server(tmp_path_factory.mktemp("keeping"), **options) as running:
        yield running


def eventually(true: Callable[[], bool], within: float) -> bool:
    until = time.monotonic() + within
    while not true():
        if time.monotonic() > until:
            return False
        gevent.sleep(0.1)
    return True


def together(*jobs: gevent.Greenlet, within: float) -> None:
    """Waits for all of them; none is left running when one has failed or is late."""
    try:
        gevent.joinall(jobs, timeout=within, raise_error=True)
        assert all(job.ready() for job in jobs)
    finally:
        gevent.killall(jobs)


def held(server: Server) -> dict[str, int]:
    """What the worker holds, by its own account and by the kernel's."""
    own: dict[str, int] = requests.get(f"{server.base}/held", timeout=10).json()
    return {**own, "descriptors": server.worker().num_fds()}


def baseline(server: Server) -> dict[str, int]:
    """What the worker holds at rest: after its first request, with no connection open."""
    Client(server.base).read(Client(server.base).submit())
    assert eventually(lambda: held(server)["registry"] == 0, 20)
    eventually(lambda: server.connections() <= 1, 10)
    return held(server)


def back_at(before: dict[str, int], server: Server) -> Callable[[], bool]:
    return lambda: all(now <= before[name] for name, now in held(server).items())


def raw_get(server: Server, request_id: str, client: Client) -> socket.socket:
    """A socket that has sent a GET for a stream and has read nothing."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"GET /assistant/stream/{request_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n"
    plain.sendall(head.encode())
    return plain


def reset(plain: socket.socket) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def vanish(plain: socket.socket) -> None:
    """From now on every segment for this socket is dropped unseen, as if its host had lost power: no ACK, no RST."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    plain.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER


@pytest.mark.parametrize("socket_driver", [True], indirect=True, ids=["unstreamed"])
def test_ten_thousand_posts_that_nobody_streams_leave_nothing(own_server: Server) -> None:
    before = baseline(own_server)
    numbers = itertools.count()
    users = [Client(own_server.base, f"user{number}") for number in range(50)]

    def post_some() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=30)
        while (number := next(numbers)) < 10_000:
            body = json.dumps({"prompt": "x", "mode": "hold" if number % 2 else "count"})
            headers = {**users[number % 50].headers, "Content-Type": "application/json"}
            connection.request("POST", "/assistant/request", body, headers)
            answer = connection.getresponse()
            told = json.load(answer)
            assert answer.status == 201 or told["code"] == "too_many_active"
        connection.close()

    together(*[gevent.spawn(post_some) for _ in range(20)], within=120)

    assert eventually(back_at(before, own_server), 30), (before, held(own_server))


def test_a_thousand_resets_right_after_get_leave_nothing(own_server: Server) -> None:
    before = baseline(own_server)
    client = Client(own_server.base)
    request_id = client.submit(mode="hold")

    for number in range(1000):
        plain = raw_get(own_server, request_id, client)
        if number % 2:
            gevent.sleep(0.001)  # also in the middle of the headers or the first block
        reset(plain)

    client.cancel(request_id)
    assert eventually(back_at(before, own_server), 20), (before, held(own_server))


def test_resets_in_the_middle_of_an_answer_leave_nothing_and_hurt_no_other_viewer(own_server: Server) -> None:
    before = baseline(own_server)
    client = Client(own_server.base)
    request_id = client.submit(context={"count": 200, "pause": 0.005})

    def leave_early(count: int) -> None:
        plain, seen = raw_get(own_server, request_id, client), 0
        while seen < count:
            seen += len(plain.recv(64))
        reset(plain)

    stayer = gevent.spawn(client.read, request_id)
    leavers = [gevent.spawn(leave_early, 500 + 50 * number) for number in range(1, 9)]  # behind the head
    together(stayer, *leavers, within=30)

    assert stayer.value.outcome == "completed"
    assert eventually(back_at(before, own_server), 20), (before, held(own_server))


def test_a_client_that_stops_reading_is_cut_and_may_resume(keeping_server: Server) -> None:
    before = baseline(keeping_server)
    client = Client(keeping_server.base)
    request_id = client.submit(mode="flood", context={"count": 200, "size": 15_000})
    began = time.monotonic()
    stuck = [raw_get(keeping_server, request_id, client) for _ in range(5)]
    assert eventually(lambda: keeping_server.connections() >= 5, 5)

    # the stall timeout and one round
    assert eventually(lambda: held(keeping_server)["streams"] == 0, 3 + 2), held(keeping_server)
    assert time.monotonic() - began >= 3  # and no less: the kernel's clock for hosts that vanish is shorter
    ends = [json.loads(line) for line in keeping_server.log.read_text().splitlines() if '"stream.closed"' in line]
    assert [end["end_reason"] for end in ends if end["request_id"] == request_id] == ["stalled"] * 5

    for plain in stuck:
        plain.close()
    assert client.read(request_id).outcome == "completed"
    assert eventually(back_at(before, keeping_server), 20), (before, held(keeping_server))


def test_a_host_that_vanishes_without_a_word_is_noticed(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit(mode="hold")
    plain = raw_get(own_server, request_id, client)
    assert eventually(lambda: held(own_server)["streams"] == 1, 5)
    plain.recv(65536)

    vanish(plain)

    # a heartbeat, half the stall timeout and one round; the kernel's retransmissions are coarse
    assert eventually(lambda: held(own_server)["streams"] == 0, 2 + 1.5 + 1 + 2), held(own_server)
    plain.close()
    client.cancel(request_id)


def test_a_client_that_leaves_in_silence_is_noticed_at_once(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit(mode="hold")
    plain = raw_get(own_server, request_id, client)
    assert eventually(lambda: held(own_server)["streams"] == 1, 5)

    plain.close()

    assert eventually(lambda: held(own_server)["streams"] == 0, 1.0)
    client.cancel(request_id)


def test_silence_is_broken_by_heartbeats_of_one_line(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit(mode="hold")
    connection, response = client.connect(request_id)

    seen = b""
    with gevent.Timeout(10):
        while seen.count(b"\n:\n") < 1 or not seen.endswith(b":\n:\n"):
            seen += response.read1(4096)

    connection.close()
    assert response.getheader("Assistant-Heartbeat") == "2"
    client.cancel(request_id)


def test_a_request_behind_a_stream_is_served_after_it(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit(context={"count": 10, "pause": 0.02})
    plain = raw_get(own_server, request_id, client)
    plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    seen = b""
    with gevent.Timeout(10):
        while block := plain.recv(65536):
            seen += block
    plain.close()

    assert seen.count(b'"outcome":"completed"') == 1
    assert seen.index(b'"outcome":"completed"') < seen.index(b'{"status":"alive"}')
