"""Odd bodies and odd cursors (F28, F39): an exact refusal that names the place, never the input, never a 5xx."""

from __future__ import annotations

import gzip
import io
import json
import time
from typing import Any
from urllib.parse import unquote

import gevent
import pytest
from werkzeug.test import TestResponse

from assistant.signals import stream_refused
from tests.integration.conftest import Start, Written
from tests.integration.routes import routes
from tests.integration.server import Server, problem

CANARY = "canary-7d1f"
NOT_JSON = {"loc": [], "msg": "the body is not JSON", "type": "json_invalid"}


def send(server: Server, raw: bytes, **options: Any) -> TestResponse:
    options.setdefault("content_type", "application/json")
    return server.call("POST", "/request", data=raw, **options)


def body(**fields: Any) -> bytes:
    return json.dumps({"prompt": "Hello", "mode": "chat", **fields}).encode()


def arriving(stream: Any) -> dict[str, Any]:
    """What the server reads the body from."""
    return {"content_type": "application/json", "environ_overrides": {"wsgi.input": stream, "CONTENT_LENGTH": "100"}}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"canary-7d1f",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"prompt":"Hello","mode":"chat","context":{"x":NaN}}',
        b'{"prompt":"Hello","mode":"chat","context":{"x":Infinity}}',
        b'{"prompt":"Hello","mode":"chat","context":{"x":1e999}}',
        b'{"prompt":"\\ud800","mode":"chat"}',
        b'{"prompt":"Hello","mode":"chat","context":{"\\udfff":1}}',
        b'{"prompt":"\xff","mode":"chat"}',
        b'{"prompt":"\xed\xa0\x80","mode":"chat"}',
        b'\xef\xbb\xbf{"prompt":"Hello","mode":"chat"}',
        '{"prompt":"Hello","mode":"chat"}'.encode("utf-16"),
        b'{"prompt":"Hello","mode":"chat"}{}',
        b'{"prompt":"Hello","mode":"chat",}',
        b"{'prompt':'Hello','mode':'chat'}",
        b'{"prompt":"a\nb","mode":"chat"}',
        gzip.compress(b'{"prompt":"Hello","mode":"chat"}', mtime=0),
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_not_json_is_refused_at_once(server: Server, raw: bytes) -> None:
    began = time.perf_counter()

    response = send(server, raw)

    assert problem(response, 400, "invalid_request")["errors"] == [NOT_JSON]
    assert time.perf_counter() - began < 1.0


# What is sent, and the place and the type of what is wrong with it.
WRONG: dict[str, tuple[bytes, list[Any], str]] = {
    "null": (b"null", [], "model_type"),
    "a list": (b"[]", [], "model_type"),
    "a text": (b'"canary-7d1f"', [], "model_type"),
    "a number": (b"1", [], "model_type"),
    "an empty object": (b"{}", ["prompt"], "missing"),
    "no mode": (b'{"prompt":"Hello"}', ["mode"], "missing"),
    "prompt null": (body(prompt=None), ["prompt"], "string_type"),
    "prompt a number": (body(prompt=42), ["prompt"], "string_type"),
    "prompt a list": (body(prompt=[CANARY]), ["prompt"], "string_type"),
    "prompt empty": (body(prompt=""), ["prompt"], "string_too_short"),
    "prompt of spaces": (body(prompt=" \n\t"), ["prompt"], "too_short"),
    "prompt of hidden characters": (body(prompt="\u2060\ufeff"), ["prompt"], "too_short"),
    "prompt with NUL": (body(prompt=CANARY + "\0"), ["prompt"], "unencodable"),
    "prompt too long": (body(prompt="a" * 32_001), ["prompt"], "too_long"),
    "mode a number": (body(mode=1), ["mode"], "string_type"),
    "mode unknown": (body(mode=CANARY), ["mode"], "unknown_mode"),
    "mode in capitals": (body(mode="CHAT"), ["mode"], "string_pattern_mismatch"),
    "mode a path": (body(mode="../chat"), ["mode"], "string_pattern_mismatch"),
    "mode too long": (body(mode="c" * 65), ["mode"], "string_too_long"),
    "track_id a number": (body(track_id=1), ["track_id"], "string_type"),
    "track_id empty": (body(track_id=""), ["track_id"], "string_too_short"),
    "track_id too long": (body(track_id="t" * 129), ["track_id"], "string_too_long"),
    "track_id with NUL": (body(track_id="\0"), ["track_id"], "unencodable"),
    "context a list": (body(context=[CANARY]), ["context"], "dict_type"),
    "context a text": (body(context=CANARY), ["context"], "dict_type"),
    "context too deep": (body(context={"a": nested(16)}), ["context"], "too_deep"),
    "context with too many keys": (body(context={str(n): n for n in range(2_001)}), ["context"], "too_many_keys"),
    "context too large": (body(context={"a": "x" * 262_144}), ["context"], "too_large"),
    "context with NUL": (body(context={"a": [CANARY, "\0"]}), ["context"], "unencodable"),
    "context with NUL in a key": (body(context={"\0": 1}), ["context"], "unencodable"),
    "history of a stranger": (
        body(context={"history": [{"role": "system", "content": CANARY}]}),
        ["context", "history", 0, "role"],
        "literal_error",
    ),
    "history a text": (body(context={"history": CANARY}), ["context", "history"], "list_type"),
    "actions a text": (body(context={"actions": CANARY}), ["context", "actions"], "list_type"),
    "a field too many": (body(canary=CANARY), ["canary"], "extra_forbidden"),
    "a field that is no name": (body(**{f"<b>{CANARY}</b>": 1}), ["?"], "extra_forbidden"),
    "a field of great length": (body(**{"k" * 100_000: 1}), ["?"], "extra_forbidden"),
    "a user of one's own": (body(user_id="admin"), ["user_id"], "extra_forbidden"),
    "__proto__": (body(**{"__proto__": {}}), ["__proto__"], "extra_forbidden"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_body_is_told_where_and_why_and_nothing_of_itself(server: Server, written: Written, name: str) -> None:
    raw, loc, kind = WRONG[name]

    response = send(server, raw)

    findings = problem(response, 400, "invalid_request")["errors"]
    assert (loc, kind) in [(one["loc"], one["type"]) for one in findings]
    assert all(one.keys() == {"loc", "msg", "type"} and one["msg"] for one in findings)
    assert CANARY not in response.text
    assert CANARY not in written.text
    assert len(response.data) < 10_000
    assert not server.web.service.registry.active()


def test_ten_thousand_unknown_fields_are_told_by_twenty(server: Server) -> None:
    response = send(server, body(**{f"f{n}": n for n in range(10_000)}))

    assert len(problem(response, 400, "invalid_request")["errors"]) == 20


@pytest.mark.parametrize(
    "raw",
    [
        b'{"prompt":"Hello","mode":"chat","context":{"x":%s}}' % (b"9" * 5_000),
        b'{"prompt":"Hello","mode":"chat","context":{"x":-%s}}' % (b"9" * 5_000),
        b'{"prompt":"Hello","mode":"chat","context":{"x":123456789012345678901234567890}}',
    ],
    ids=["5,000 digits", "5,000 negative digits", "30 digits"],
)
def test_a_number_of_any_length_is_accepted_or_refused_and_never_a_failure(server: Server, raw: bytes) -> None:
    response = send(server, raw)

    assert response.status_code in (201, 400), response.text
    assert b"99999" not in response.data


def test_the_last_of_two_equal_keys_counts(server: Server) -> None:
    response = send(server, b'{"prompt":"a","prompt":"b","mode":"chat"}')

    record = server.call("GET", f"/request/{response.json['request_id']}").json
    assert record["prompt"] == "b"


def test_the_edges_of_what_is_allowed_are_accepted(server: Server) -> None:
    for raw in (
        body(prompt="a" * 32_000),
        body(track_id="t" * 128),
        body(track_id=None, context=None),
        body(context={"a": nested(14)}),
        body(context={str(n): n for n in range(1_999)}),
        body() + b" " * (2**20 - len(body())),
    ):
        response = send(server, raw)
        assert response.status_code == 201, response.text
        server.events(response.json["request_id"])


@pytest.mark.parametrize("size", [2**20 + 1, 20 * 10**6])
@pytest.mark.parametrize("said", [True, False], ids=["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_without_being_kept(server: Server, size: int, said: bool) -> None:
    stream = io.BytesIO(b'{"prompt":"' + b"a" * size)
    extra = {} if said else {"environ_overrides": {"wsgi.input_terminated": True}}
    if said:
        extra = {"content_length": size}

    response = server.call("POST", "/request", input_stream=stream, content_type="application/json", **extra)

    assert problem(response, 413, "too_large")["limit"] == 2**20
    assert stream.tell() <= 2**20 + 2**17


def test_a_body_that_does_not_arrive_is_given_up(start: Start) -> None:
    server = start(ASSISTANT_BODY_TIMEOUT=0.1)

    class Slow(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            gevent.sleep(3)
            return 0

    response = server.call("POST", "/request", **arriving(Slow()))

    problem(response, 408, "request_timeout")


def test_a_body_that_breaks_off_is_a_400(server: Server) -> None:
    class Cut(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise OSError("connection reset")

    response = server.call("POST", "/request", **arriving(Cut()))

    problem(response, 400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json-patch+json"},
        {"Content-Type": "application/x-ndjson"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Type": "\xff"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity, gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "x" * 10_000},
    ],
    ids=lambda headers: str(headers)[:60],
)
def test_only_plain_json_is_taken(server: Server, headers: dict[str, str]) -> None:
    for path, data in (("/request", body()), ("/request/{}/actions/a", b'{"status":"denied"}')):
        request_id = server.started()

        response = server.call("POST", path.format(request_id), headers=headers, data=data)

        problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;profile=x"])
def test_json_may_be_named_with_parameters(server: Server, kind: str) -> None:
    assert send(server, body(), content_type=kind).status_code == 201


@pytest.mark.parametrize(
    "reply",
    [None, [], "claimed", {}, {"status": "done"}, {"status": "claimed"}, {"status": "claimed", "claim": ""},
     {"status": "claimed", "claim": "c" * 129}, {"status": "ok", "more": 1}, {"status": ["ok"]}, {"status": "ok", "claim": 1}],
    ids=str,
)  # fmt: skip
def test_an_odd_reply_to_an_action_is_a_400(server: Server, reply: Any) -> None:
    response = server.call(
        "POST", f"/request/{server.started()}/actions/act-1", data=json.dumps(reply), content_type="application/json"
    )

    problem(response, 400, "invalid_request")


# --- cursors ---
ODD_CURSORS = ["-1", "1", "1-", "-1-1", "1--1", "1-1-1", "a-b", "1-1 ", "١-١", "1.0-1", "+1-1", "0x1-1", "1-9223372036854775808",
               f"{2**63}-1", "1-" + "9" * 1_000_000, "1-1\x00", "1-1,1-2", "*", "latest"]  # fmt: skip


@pytest.mark.parametrize("cursor", ODD_CURSORS, ids=lambda text: ascii(text[:24]))
@pytest.mark.parametrize("place", ["header", "address"])
def test_what_is_no_cursor_is_refused_before_the_first_byte(server: Server, cursor: str, place: str) -> None:
    request_id = server.started()
    server.finished()
    told: list[str] = []
    note = lambda _, cursor, **__: told.append(cursor)  # noqa: E731

    with stream_refused.connected_to(note, server.app):
        if place == "header":
            response = server.call("GET", f"/stream/{request_id}", headers={"Last-Event-ID": _latin(cursor)})
        else:
            response = server.call("GET", f"/stream/{request_id}", query_string={"after": cursor})

    problem(response, 400, "invalid_request")
    assert len(response.data) < 1_000
    assert told == ["?"]  # what a receiver may log


@pytest.mark.parametrize("cursor", ["7-1", "1-999", "0-5", f"1-{10**18 - 1}", f"{10**18 - 1}-1"])
def test_a_cursor_that_names_no_event_is_a_documented_restart(server: Server, cursor: str) -> None:
    request_id = server.started()
    whole = server.events(request_id)

    events = server.events(request_id, headers={"Last-Event-ID": cursor})

    assert (events[0].event, events[0].json()["state"], events[0].id) == ("status", "reset", "")
    assert events[1:] == whole


def test_two_different_cursors_are_refused_and_two_equal_ones_are_one(server: Server) -> None:
    request_id = server.started()
    whole = server.events(request_id)

    both = server.call("GET", f"/stream/{request_id}?after=1-2", headers={"Last-Event-ID": "1-1"})
    same = server.events(f"{request_id}?after=1-2", headers={"Last-Event-ID": "1-2"})

    problem(both, 400, "invalid_request")
    assert same == whole[2:]


def test_a_cursor_of_someone_elses_log_tells_nothing_of_it(server: Server) -> None:
    mine, theirs = server.started(), server.started(user="eve", prompt="Something much longer")
    server.finished()

    response = server.call("GET", f"/stream/{theirs}", headers={"Last-Event-ID": "1-3"})

    assert response.data == server.call("GET", f"/stream/{theirs}", headers={"Last-Event-ID": "1-9999"}).data
    problem(response, 404, "not_found")
    assert mine not in response.text


@pytest.mark.parametrize("state", ["", "running", "ACTIVE", "active,ended", "\0"])
def test_an_odd_filter_is_refused(server: Server, state: str) -> None:
    problem(server.call("GET", "/requests", query_string={"state": state}), 400, "invalid_request")


def test_nothing_odd_on_any_route_is_ever_a_failure_of_ours(server: Server) -> None:
    odd = ["x", "%00", "%ff", "%F0%9F%92%A9", "a" * 5_000, "..%2f..", "{request_id}", "1;drop", "%0d%0aX:1"]

    for route in routes(server):
        for word in odd:
            for headers in ({}, {"Accept": "\xff"}, {"Last-Event-ID": "\xff", "Range": "bytes=9-1"}):
                response = server.call(route.method, route.at(word, word), headers=headers, data=b"\xff" * 10)
                assert response.status_code < 500, (route, word, headers)


def _latin(text: str) -> str:
    """What a header can carry: other characters arrive as the bytes of their UTF-8."""
    return text.replace("\x00", "\\0").encode().decode("latin-1")


@pytest.mark.parametrize(
    ("reply", "loc"),
    [
        ({"status": "ok", "value": 1, CANARY: 1}, ["?"]),
        ({"status": "ok", "extra": 1}, ["extra"]),
        ({"status": "claimed"}, ["claim"]),
        ({"status": "claimed", "claim": "c", "value": 1}, ["value"]),
        ({"status": CANARY}, ["status"]),
        ({"status": ["ok"]}, ["status"]),
        ({}, ["status"]),
        ([], []),
    ],
)
def test_a_wrong_reply_is_told_what_is_wrong_with_the_one_that_was_meant(server: Server, reply: Any, loc: Any) -> None:
    response = server.call("POST", f"/request/{server.started()}/actions/act-1", json=reply)

    assert [error["loc"] for error in problem(response, 400, "invalid_request")["errors"]] == [loc]
    assert CANARY not in response.text


def test_an_answer_without_a_body_says_no_type_and_is_not_kept(start: Start) -> None:
    server = start(60.0)
    request_id = server.started()

    stopped = server.call("DELETE", f"/request/{request_id}")
    server.finished()
    last = server.call("GET", f"/request/{request_id}").json["last_event_id"]
    over = server.call("GET", f"/stream/{request_id}?after={last}")

    assert (stopped.status_code, over.status_code) == (202, 204)
    for response in (stopped, over):
        assert response.data == b""
        assert "Content-Type" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("mount", ["", "/münchen"])
def test_a_location_is_a_uri_wherever_the_routes_live(start: Start, mount: str) -> None:
    server = start(ASSISTANT_URL_PREFIX="/hilfe für alle")
    headers = server.bearer("ann")

    accepted = server.client.post(
        "/hilfe für alle/request",
        headers=headers,
        json={"prompt": "x", "mode": "chat"},
        environ_overrides={"SCRIPT_NAME": mount.encode().decode("latin-1")},  # as PEP 3333 has it
    )

    location = accepted.headers["Location"]
    assert location.isascii()
    assert " " not in location
    assert unquote(location) == f"{mount}/hilfe für alle/request/{accepted.json['request_id']}"
