"""A WSGI app of the plainest kind, for what happens between it and the socket: each path answers in another way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
TEXT = ("Content-Type", "text/plain")


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return PATHS.get(environ["PATH_INFO"], echo)(environ, start_response)


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """All that is text in the environ, and the body."""
    seen = {key: value for key, value in environ.items() if isinstance(value, (str, bool)) and key != "REMOTE_PORT"}
    seen["body"] = environ["wsgi.input"].read().decode("latin-1")
    body = json.dumps(seen, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def unread(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("202 Accepted", [("Content-Length", "2")])
    return [b"ok"]


def blocks(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "6")])
    return [b"", b"ab", b"", b"cd", b"ef"]


def chunks(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    yield b"one"
    yield b""
    yield b"two"


def nothing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def unmodified(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"a"'), ("Content-Length", "5")])
    return [b"hello"]


def empty(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


def too_much(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "4")])
    return [b"ab", b"cdef", b"gh"]


def much(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "300000")])
    return [b"a" * 100_000, b"b" * 200_000]


def written(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", [("Content-Length", "4")])
    write(b"ab")
    return [b"cd"]


def file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", str(Path(__file__).stat().st_size))])
    found: Iterable[bytes] = environ["wsgi.file_wrapper"](Path(__file__).open("rb"))  # noqa: SIM115 - its reader closes it
    return found


def closing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hop-by-hop: the server's to say, and left out."""
    start_response("200 OK", [("Connection", "close"), ("Keep-Alive", "5"), ("Content-Length", "2"), ("X-A", " b ")])
    return [b"ok"]


def hinting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def second_thoughts(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "3")])
    try:
        raise ValueError
    except ValueError:
        start_response("503 Service Unavailable", [("Content-Length", "2")], sys.exc_info())
    return [b"no"]


def crash(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise ValueError("before anything was said")


def crash_late(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "4")])
    yield b"ab"
    raise ValueError("in the middle")


def bad_header(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-A", "b\r\nX-C: d"), ("Content-Length", "2")])
    return [b"ok"]


def bad_block(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return ["ok"]  # type: ignore[list-item]


def complaining(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    print("a complaint", file=environ["wsgi.errors"])
    return unread(environ, start_response)


PATHS: dict[str, App] = {f"/{one.__name__}": one for one in (
    unread, blocks, chunks, nothing, unmodified, empty, too_much, much, written, file, closing, hinting, second_thoughts,
    crash, crash_late, bad_header, bad_block, complaining,
)}  # fmt: skip
