"""The worker's shorter way: byte for byte what gunicorn's own gevent worker answers, whatever is sent, however it comes."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.system.echo import PATHS
from tests.system.server import Server
from tests.unit.test_http import LEFT, PLAIN

# How long a server is given to say nothing more; it answers at once, or closes what it waits for after five seconds.
SILENCE = 0.3


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """The worker, and gunicorn's own under the same configuration."""
    ours, theirs = (Server(tmp_path_factory.mktemp(name), "tests.system.echo:app") for name in ("ours", "theirs"))
    theirs.environ["GUNICORN_CMD_ARGS"] = "--worker-class gevent"
    with ours, theirs:
        yield ours, theirs


def said(server: Server, *packets: bytes) -> bytes:
    """All that the server answers to the packets, sent one after the other, without what differs each time."""
    seen = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=SILENCE) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            with suppress(OSError):
                plain.sendall(packet)
            time.sleep(0.02 if len(packets) > 1 else 0)
        with suppress(TimeoutError, ConnectionResetError):
            while block := plain.recv(65536):
                seen += block
            seen += b"<closed>"
    seen = re.sub(rb"\r\nDate: [^\r]+", b"", seen)
    return re.sub(rb'(?:"SERVER_PORT": |127\.0\.0\.1:)"?%d"?' % server.port, b"", seen)


def get(path: str, *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


NEXT = get("/echo?next")
CHUNKED = get("/echo", "Transfer-Encoding: chunked", method="POST") + b"2\r\n{}\r\n0\r\n\r\n"
POSTED = get("/echo", "Content-Length: 5", "Connection: keep-alive", method="POST") + b"hello"


def test_the_shorter_way_is_taken(both: tuple[Server, Server]) -> None:
    """The head and the body of an answer come in one packet, which gunicorn sends in two."""
    ours, _ = both
    with socket.create_connection(("127.0.0.1", ours.port), timeout=5) as plain:
        for _ in range(3):
            plain.sendall(get("/unread"))
            assert plain.recv(65536).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_is_the_same(both: tuple[Server, Server], path: str, method: str) -> None:
    ours, theirs = (said(server, get(path, method=method) + NEXT) for server in both)
    assert ours == theirs


@pytest.mark.parametrize("data", PLAIN + LEFT)
def test_a_request_is_answered_the_same(both: tuple[Server, Server], data: bytes) -> None:
    ours, theirs = (said(server, data + NEXT) for server in both)
    assert ours == theirs


@pytest.mark.parametrize(
    "packets",
    [
        (POSTED, POSTED, NEXT),
        (POSTED + POSTED + NEXT,),
        (POSTED, CHUNKED, POSTED),
        (POSTED + CHUNKED + POSTED,),
        (POSTED[:20], POSTED[20:], NEXT),
        (POSTED[:-5], POSTED[-5:], NEXT),
        (POSTED[:-2], POSTED[-2:] + NEXT[:9], NEXT[9:]),
        (NEXT, POSTED[:-5], POSTED[-5:], NEXT),
        (get("/echo", "Content-Length: 40000", method="POST") + b"x" * 40_000, NEXT),
        (get("/unread", "Content-Length: 40000", method="POST") + b"x" * 40_000, NEXT),
        (get("/unread", "Content-Length: 5", method="POST") + b"hello", NEXT),
        (get("/echo", "Connection: close"), NEXT),
        (get("/echo", "Expect: 100-continue", "Content-Length: 5", method="POST"), b"hello", NEXT),
        (NEXT[:-4],),
        (),
    ],
    ids=repr,
)
def test_a_connection_goes_the_same_way(both: tuple[Server, Server], packets: tuple[bytes, ...]) -> None:
    ours, theirs = (said(server, *packets) for server in both)
    assert ours == theirs


def test_a_connection_that_says_nothing_is_closed_in_time(both: tuple[Server, Server]) -> None:
    ours, _ = both
    for words in (b"", NEXT, NEXT[:-4]):
        with socket.create_connection(("127.0.0.1", ours.port), timeout=15) as plain:
            plain.sendall(words)
            while plain.recv(65536):
                pass


def test_what_an_app_complains_of_is_in_gunicorns_log(both: tuple[Server, Server]) -> None:
    ours, _ = both
    said(ours, get("/complaining"))
    assert "a complaint" in ours.log.read_text()
    assert ours.log.read_text().count("before anything was said") == both[1].log.read_text().count(
        "before anything was said"
    )


def test_clients_that_leave_are_no_news(both: tuple[Server, Server]) -> None:
    ours, _ = both
    worker = psutil.Process(ours.worker().pid)
    before = ours.log.read_text()
    for data in (b"", get("/much"), get("/much") * 20, POSTED[:-1]):
        for _ in range(5):
            plain = socket.create_connection(("127.0.0.1", ours.port), timeout=5)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            plain.sendall(data)
            plain.close()  # a reset
    until = time.monotonic() + 10
    while ours.connections() and time.monotonic() < until:
        time.sleep(0.05)
    assert ours.connections() == 0
    assert worker.is_running()
    assert "Traceback" not in ours.log.read_text()[len(before) :]


@pytest.mark.parametrize(
    "arguments",
    ["--access-logfile -", "--log-level debug", "--keep-alive 0", "--statsd-host 127.0.0.1:9", "--proxy-protocol"],
)
def test_gunicorn_has_the_requests_when_it_is_told_to_do_more(
    tmp_path_factory: pytest.TempPathFactory, arguments: str
) -> None:
    server = Server(tmp_path_factory.mktemp("told"), "tests.system.echo:app")
    server.environ["GUNICORN_CMD_ARGS"] = arguments
    with server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(get("/unread"))
        seen = plain.recv(65536)
        if not seen.endswith(b"ok"):
            seen += plain.recv(65536)
    assert seen.endswith(b"\r\n\r\nok")
    if "access" in arguments:
        assert '"GET /unread HTTP/1.1" 202 2' in server.log.read_text()
    if "debug" in arguments:
        assert "GET /unread" in server.log.read_text()
