"""F29-F31: what arrives on a raw socket is refused with a 4xx in time, and hurts nobody else."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import gevent
import pytest

from tests.system.client import Client
from tests.system.server import Server


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("raw"), body_timeout=1) as running:
        yield running


def say(server: Server, data: bytes, *, silence: float = 0.0) -> bytes:
    """The answer of the server to `data`, until it is whole by its own Content-Length, the server closes, or ten seconds
    have passed; with `silence`, until nothing has come for so many seconds."""
    seen = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=silence or 10.0) as plain:
        plain.sendall(data)
        with suppress(OSError):
            while (silence or not whole(seen)) and (block := plain.recv(65536)):
                seen += block
    return seen


def whole(answer: bytes) -> bool:
    """Whether this is all of a response that says how long it is."""
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return found != b"" and length is not None and len(body) >= int(length[1])


def head(server: Server, path: str = "/assistant/request", method: str = "POST", *lines: str) -> bytes:
    bearer = Client(server.base).headers["Authorization"]
    fields = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: {bearer}",
        "Content-Type: application/json",
        *lines,
    ]
    return "\r\n".join([*fields, "", ""]).encode("latin-1")


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


@pytest.mark.parametrize(
    ("lines", "body", "expected"),
    [
        (["Content-Length: 10"], b"{}", 408),
        (["Transfer-Encoding: chunked"], b"5\r\n{", 408),
        (["Transfer-Encoding: chunked"], b"zz\r\n", 400),
        (["Transfer-Encoding: chunked"], b"-1\r\n{}", 400),
        (["Transfer-Encoding: chunked"], b"2\r\n{}XX0\r\n\r\n", 400),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n", 400),
        (["Transfer-Encoding: chunked", "Content-Length: 2"], b"{}", 400),
        (["Content-Length: 2", "Content-Length: 3"], b"{}", 400),
        (["Content-Length: -1"], b"", 400),
        (["Content-Length: 1e3"], b"", 400),
        (["Content-Length: 99999999999999999999"], b"", 413),
        (["Content-Length: 0"], b"", 400),
        (["Content-Length: 2", "X-Odd: \xff\xfe"], b"{}", 400),
        (["Content-Length: 2", "Idempotency-Key: \xff"], b"{}", 400),
        (["Content-Length: 2", "X-Bomb: " + "a" * 70_000], b"{}", 431),
        (["Content-Length: 2", *(f"X-{number}: 1" for number in range(200))], b"{}", 431),
        (["Content-Length: 2", "Bad Header: 1"], b"{}", 400),
        (["Content-Length: 2", "Transfer-Encoding: identity, chunked"], b"0\r\n\r\n", 400),
    ],
)
def test_a_body_or_a_head_that_is_not_http_is_refused(
    own_server: Server, lines: list[str], body: bytes, expected: int
) -> None:
    answer = say(own_server, head(own_server, "/assistant/request", "POST", *lines) + body)

    assert status(answer) == expected
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "line",
    [
        b"GET /assistant/stream/%ff%fe HTTP/1.1",
        b"GET /assistant/stream/..%2f..%2fetc HTTP/1.1",
        b"GET /assistant/stream/a\x00b HTTP/1.1",
        b"GET /assistant/requests?state=%ff&track_id=%00 HTTP/1.1",
        b"GET /assistant/request/" + b"a" * 3000 + b" HTTP/1.1",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1",
        b"FROB /assistant/request HTTP/1.1",
        b"get /assistant/requests HTTP/1.1",
        b"GET /assistant/requests HTTP/9.9",
        b"garbage",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_an_odd_request_line_is_refused(own_server: Server, line: bytes) -> None:
    bearer = Client(own_server.base).headers["Authorization"].encode()

    answer = say(own_server, line + b"\r\nHost: x\r\nAuthorization: " + bearer + b"\r\nConnection: close\r\n\r\n")

    assert 400 <= status(answer) < 500


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "script_name", "Script-Name"])
def test_a_header_changes_neither_the_path_nor_where_the_app_is(own_server: Server, name: str) -> None:
    answer = say(own_server, head(own_server, "/assistant/requests", "GET", f"{name}: /healthz"))

    assert status(answer) == 200
    assert b'{"requests":' in answer


def test_a_smuggled_request_is_not_served(own_server: Server) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    lines = [f"Content-Length: {len(inner) + 5}", "Transfer-Encoding: chunked"]

    answer = say(own_server, head(own_server, "/assistant/request", "POST", *lines) + b"0\r\n\r\n" + inner, silence=2.0)

    assert b"alive" not in answer


def test_slow_clients_keep_nobody_else_waiting(own_server: Server) -> None:
    crawlers = []
    for number in range(100):
        plain = socket.create_connection(("127.0.0.1", own_server.port), timeout=10)
        plain.sendall(b"POST /assistant/request HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"G")
        crawlers.append(plain)

    answers = [Client(own_server.base).read(Client(own_server.base).submit()).outcome for _ in range(5)]

    assert answers == ["completed"] * 5
    # the header timeout is the keep-alive's 5 s
    with gevent.Timeout(15):
        while own_server.connections() > 5:
            gevent.sleep(0.2)
    for plain in crawlers:
        plain.close()


def test_http_1_0_and_head_work(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit()
    client.read(request_id)
    bearer = client.headers["Authorization"]

    old = say(own_server, f"GET /assistant/stream/{request_id} HTTP/1.0\r\nAuthorization: {bearer}\r\n\r\n".encode())
    only_head = say(
        own_server,
        (
            f"HEAD /assistant/stream/{request_id} HTTP/1.1\r\nHost: x\r\n"
            f"Connection: close\r\nAuthorization: {bearer}\r\n\r\n"
        ).encode(),
    )

    assert old.endswith(b"\n\n")
    assert b'"outcome":"completed"' in old
    assert status(only_head) == 200
    assert only_head.endswith(b"\r\n\r\n")
    assert b"text/event-stream" in only_head
