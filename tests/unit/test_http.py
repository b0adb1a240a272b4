"""What is read in one go is what gunicorn reads: the same environ, the same body, the same end; or it is left to gunicorn."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from gunicorn.http.wsgi import create
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.web.http import Incomplete, Limits, Reader, Request
from tests.properties import examples

PEER, SERVER = ("127.0.0.1", 50_000), ("127.0.0.1", 8000)
CONNECTION = {
    "REMOTE_ADDR": PEER[0],
    "REMOTE_PORT": str(PEER[1]),
    "SERVER_NAME": SERVER[0],
    "SERVER_PORT": str(SERVER[1]),
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "",
    "wsgi.url_scheme": "http",
}
# What belongs to the server and not to a request.
OF_THE_SERVER = (
    "gunicorn.socket",
    "wsgi.early_hints",
    "wsgi.errors",
    "wsgi.file_wrapper",
    "wsgi.input",
    "wsgi.input_terminated",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "wsgi.run_once",
    "wsgi.version",
    "SERVER_SOFTWARE",
)

PLAIN = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /assistant/stream/0190-ab?cursor=1-2&x=%20 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
    b"POST /assistant/request HTTP/1.1\r\nHost: x:80\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nhost:x\r\nCONTENT-LENGTH:003\r\n\r\n{} GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"DELETE /a%2Fb%C3%BC;p=1:2[3] HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n",
    b"OPTIONS /?a?b HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /%zz?%zz HTTP/1.1\r\nHost:\r\nX-Empty:\r\nX-Tab:\t a\tb \t\r\nX-Latin: \xe4\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Ssl: off\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nProxy: evil\r\nTrailer: a\r\n!#$%&'*+.^`|~-: odd\r\n\r\n",
]
LEFT = [
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n",
    b"GET // HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /#f HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX_Under: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\naccept: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{}",
    *(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n{}" % length
        for length in (b"", b"+2", b"-2", b"2_0", b"2,2", b"0x2", b"2.0", b"\xb2", b"99999999999999999999")
    ),
    b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 5000),
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: %b\r\n\r\n" % (b"a" * 5000),
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(100)) + b"\r\n",
]


def config() -> Config:
    return Config()


def read(data: bytes, *, trusted: bool = True) -> tuple[Request, dict[str, Any]] | None:
    cfg = config()
    return Reader(Limits(4094, 100, 16_000), cfg.secure_scheme_headers).read(data, CONNECTION, lambda: trusted)


def read_by_gunicorn(data: bytes, *, trusted: bool = True) -> tuple[dict[str, Any], bytes, bool, Iterator[Any]]:
    """The environ and the body of the first request, whether the connection ends with it, and what follows."""
    cfg = config()
    cfg.set("forwarded_allow_ips", PEER[0] if trusted else "10.0.0.1")
    parser = RequestParser(cfg, iter([data]), PEER)
    request = next(parser)
    _, environ = create(request, None, PEER, SERVER, cfg)
    return environ, request.body.read(), request.should_close(), parser


def of_the_request(environ: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in environ.items() if key not in OF_THE_SERVER}


def same(data: bytes, *, trusted: bool = True) -> bool:
    """Whether it is read here; then gunicorn must have read the same."""
    try:
        found = read(data, trusted=trusted)
    except Incomplete:
        return False
    if found is None:
        return False
    request, environ = found
    expected, body, closes, rest = read_by_gunicorn(data, trusted=trusted)
    assert of_the_request(environ) == of_the_request(expected)
    assert environ["wsgi.input"].read() == body
    assert request.should_close() == closes
    if not closes:
        assert outcome(rest) == outcome(RequestParser(config(), iter([data[request.size :]]), PEER))
    return True


def outcome(requests: Iterator[Any]) -> Any:
    """What gunicorn reads next: where a request ends is where another one begins."""
    try:
        return next(requests).uri
    except StopIteration:
        return None
    except Exception as problem:
        return type(problem)


@pytest.mark.parametrize("data", PLAIN)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_plain_request_is_what_gunicorn_makes_of_it(data: bytes, trusted: bool) -> None:
    assert same(data, trusted=trusted)


@pytest.mark.parametrize("data", LEFT)
def test_all_else_is_left_to_gunicorn(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("data", PLAIN[:4])
def test_a_request_is_read_when_it_is_all_there(data: bytes) -> None:
    found = read(data)
    assert found is not None
    body = data.index(b"\r\n\r\n") + 4
    assert all(read(data[:end]) is None for end in range(body))
    for end in range(body, found[0].size):
        with pytest.raises(Incomplete):
            read(data[:end])


def test_what_gunicorn_asks_of_a_request_is_there() -> None:
    found = read(PLAIN[2])
    assert found is not None
    request, _ = found
    assert (request.method, request.uri, request.query) == ("POST", "/assistant/request", "")
    assert request.version == (1, 1)
    assert request.body.read() == b"{}"


def test_the_names_that_are_remembered_are_bounded() -> None:
    reader = Reader(Limits(4094, 100, 16_000), {})
    for number in range(5000):
        data = b"GET / HTTP/1.1\r\nHost: x\r\nX-%d: 1\r\n\r\n" % number
        found = reader.read(data, {}, lambda: False)
        assert found is not None
        assert found[1][f"HTTP_X_{number}"] == "1"
    assert len(reader._keys) <= 256


@pytest.mark.parametrize("tail", [b"", b"\r\n", b":", b"\0"])
@pytest.mark.parametrize("part", [b"a", b"a:", b"a: b\r\n", b"X-A:\t \t\r\n", b" ", b"\r\n", b"GET / "])
def test_no_head_takes_long_to_refuse(part: bytes, tail: bytes) -> None:
    """An expression that goes back over what it has seen would be at it for minutes."""
    data = b"GET / HTTP/1.1\r\nHost: x\r\n" + part * 20_000 + tail
    Reader(Limits(len(data), 100_000, len(data)), {}).read(data, {}, lambda: False)


_TARGETS = st.one_of(
    st.sampled_from([b"/", b"/a%20b?c=d", b"/a/../b;c", b"/?", b"/%ff%00", b"/?//", b"/:@!$&'()*+,"]),
    st.text(string.printable[:94].replace("#", ""), max_size=12).map(lambda path: b"/." + path.encode()),
)
_FIELDS = st.one_of(
    st.sampled_from(
        [
            b"Accept: a, b",
            b"Cookie: a=b; c=d",
            b"Content-Type: application/json",
            b"Connection: close",
            b"X-A:b",
            b"X-a: ",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Ssl: on",
            b"X-Forwarded-For: 1.2.3.4",
            b"x-b:\t\xe4 ",
            b"TE: x",
        ]
    ),
    st.text(string.printable[:94], max_size=8).map(lambda value: b"X-Text: " + value.encode()),
)
# What a byte of a request is replaced by, or has put before it.
_ODD = st.sampled_from(
    [*(bytes([one]) for one in b"\r\n\t :,;#_\0\x7f\xff/0a"), b"\r\n", b"\r\n ", b"", b"//", b"chunked", b"close"]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests, most of them with a blemish or two, and what follows them."""
    body = draw(st.binary(max_size=8))
    lines = [
        b"%b %b HTTP/1.1"
        % (draw(st.sampled_from([b"GET", b"POST", b"DELETE", b"HEAD", b"PATCH", b"OPTIONS"])), draw(_TARGETS)),
        *draw(st.permutations([b"Host: x", b"Content-Length: %d" % len(body), *draw(st.lists(_FIELDS, max_size=4))])),
    ]
    data = bytearray(b"\r\n".join([*lines, b"", body]))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(data) - 1))
        data[place : place + draw(st.integers(0, 1))] = draw(_ODD)
    return bytes(data) + draw(st.sampled_from([b"", b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"]))


@examples(2000)
@given(requests(), st.booleans())
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n", True)
def test_whatever_comes_is_read_as_gunicorn_reads_it_or_not_at_all(data: bytes, trusted: bool) -> None:
    same(data, trusted=trusted)
