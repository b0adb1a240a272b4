"""text/event-stream, against a table of the cases of WHATWG HTML, section 9.2, at every byte split."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import sse
from assistant.events import chunk, clean_value, stage
from assistant.sse import Message
from tests.properties import examples

# bytes in; (event, data, last event id) out
_CASES: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    "a data line": (b"data: a\n\n", [("message", "a", "")]),
    "several data lines": (b"data: a\ndata:\ndata: b\n\n", [("message", "a\n\nb", "")]),
    "one space is dropped, no more": (b"data:  a \n\n", [("message", " a ", "")]),
    "no space is fine": (b"data:a\n\n", [("message", "a", "")]),
    "a tab is no space": (b"data:\ta\n\n", [("message", "\ta", "")]),
    "colons in the value stay": (b"data:: a: b\n\n", [("message", ": a: b", "")]),
    "a line without colon is a field": (b"data\n\n", [("message", "", "")]),
    "two empty data lines": (b"data\ndata\n\n", [("message", "\n", "")]),
    "empty data is dispatched": (b"data:\n\n", [("message", "", "")]),
    "no data, no event": (b"event: x\n\ndata: a\n\n", [("message", "a", "")]),
    "an event name is for one event": (b"event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("message", "b", "")]),
    "the last event name counts": (b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    "an empty event name is message": (b"event\ndata: a\n\n", [("message", "a", "")]),
    "ids stay": (b"id: 1\ndata: a\n\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "1")]),
    "an id without data counts": (b"id: 7\n\ndata: a\n\n", [("message", "a", "7")]),
    "an empty id clears": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "")]),
    "an id with NUL is ignored": (b"id: 1\nid: 2\x003\ndata: a\n\n", [("message", "a", "1")]),
    "comments are nothing": (b":\n: hello\n:data: x\ndata: a\n:\n\n", [("message", "a", "")]),
    "a heartbeat makes no event": (b":\n:\n\n", []),
    "unknown fields are nothing": (b"foo: 1\n data: x\nDATA: y\ndata : z\ndata: a\n\n", [("message", "a", "")]),
    "retry is nothing to an event": (b"retry: 2000\nretry: x\ndata: a\n\n", [("message", "a", "")]),
    "CR": (b"data: a\rdata: b\r\r", [("message", "a\nb", "")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\n", [("message", "a\nb", "")]),
    "all three line ends": (b"data: a\r\ndata: b\rdata: c\n\r\n\r\r", [("message", "a\nb\nc", "")]),
    "LF CR is two line ends": (b"data: a\n\rdata: b\n\n", [("message", "a", ""), ("message", "b", "")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    "only one byte order mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("message", "b", "")]),
    "a late byte order mark": (b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: \xef\xbb\xbfc\n\n",
                               [("message", "a", ""), ("message", "\ufeffc", "")]),
    "a byte order mark and a blank line": (b"\xef\xbb\xbf\ndata: a\n\n", [("message", "a", "")]),
    "an unfinished event is dropped": (b"data: a\n\ndata: b\n", [("message", "a", "")]),
    "an unfinished line is dropped": (b"data: a\n\ndata: b", [("message", "a", "")]),
    "nothing at all": (b"", []),
    "other line ends are text": ("data: a\u2028b\u0085c\x0bd\x0ce\x1cf\n\n".encode(),
                                 [("message", "a\u2028b\u0085c\x0bd\x0ce\x1cf", "")]),
    "wide characters": ("event: ü\nid: ☃\ndata: 日本 👩‍🚀\n\n".encode(), [("ü", "日本 👩‍🚀", "☃")]),
    "bytes that are no UTF-8": (b"data: a\xff\xc3\n\ndata: \xf0\x9f\n\n",
                                [("message", "a\ufffd\ufffd", ""), ("message", "\ufffd", "")]),
    "NUL in data": (b"data: a\0b\n\n", [("message", "a\0b", "")]),
}  # fmt: skip

# What a stranger may try to smuggle into a field.
_EVIL = st.text(max_size=20) | st.sampled_from(
    ["\n\ndata: forged\n\n", "\r\rdata: x", "\r\n\r\nevent: complete\r\ndata: {}\r\n\r\n", "\0", "id: 9-9", "\ud800",
     "\u2028\u2029\u0085", "\ufeff", ":\n", "x\nretry: 1\n"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | _EVIL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_EVIL, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("case", _CASES)
def test_a_stream_means_the_same_however_its_bytes_arrive(case: str) -> None:
    stream, expected = _CASES[case]
    messages = [Message(*one) for one in expected]

    assert list(sse.decode([stream])) == messages
    assert list(sse.decode(stream[i : i + 1] for i in range(len(stream)))) == messages
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert list(sse.decode([stream[:first], stream[first:second], b"", stream[second:]])) == messages


@examples(200)
@given(
    st.lists(
        st.sampled_from([b"data", b":", b" ", b"a", b"\n", b"\r", b"id", b"event", b"\xef\xbb\xbf", b"\xc3", b"\xbc"])
    )
)
def test_the_decoder_does_what_the_rules_say_line_by_line(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)

    assert list(sse.decode(pieces)) == _by_the_rules(stream)


@examples(200)
@given(_JSON, _EVIL)
def test_whatever_a_payload_holds_one_event_stays_one_event(value: object, text: str) -> None:
    data = {"value": clean_value(value), "text": clean_value(text)}

    frame = sse.encode("response_chunk", data, "1-7")

    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert b"\0" not in frame
    (message,) = sse.decode([frame])
    assert (message.event, message.id) == ("response_chunk", "1-7")
    assert message.json() == json.loads(json.dumps(data))


@examples(100)
@given(_EVIL, _EVIL, _EVIL)
def test_what_models_and_users_write_forges_no_event(text: str, label: str, language: str) -> None:
    events = [
        chunk(text),
        stage(label, text),
        chunk(text, "appendix", kind="code", title=label, language=language, url=text),
    ]

    stream = b"".join(sse.encode(event.name, event.data, f"1-{seq}") for seq, event in enumerate(events, 1))

    assert [(one.event, one.id) for one in sse.decode([stream])] == [
        ("response_chunk", "1-1"), ("stage", "1-2"), ("response_chunk", "1-3")
    ]  # fmt: skip
    assert [one.json() for one in sse.decode([stream])] == [event.data for event in events]


def test_a_frame_without_id_moves_no_cursor() -> None:
    stream = (
        sse.encode("status", {}, "1-1") + sse.encode("status", {"state": "draining"}) + sse.HEARTBEAT + sse.retry(2000)
    )

    messages = list(sse.decode([stream]))

    assert [message.id for message in messages] == ["1-1", "1-1"]
    assert stream.endswith(b"\n\n:\nretry: 2000\n")


def _by_the_rules(stream: bytes) -> list[Message]:
    """The algorithm of the specification on the whole text at once, as slow and plain as it is written there."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _ = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found, data, event, last_id = [], "", "", ""
    for line in lines:
        if line == "":
            if data:
                found.append(Message(event or "message", data[:-1], last_id))
            data = event = ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "data":
                data += value + "\n"
            elif field == "event":
                event = value
            elif field == "id" and "\0" not in value:
                last_id = value
    return found
