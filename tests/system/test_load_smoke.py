"""The load test itself: a small run of it ends whole, and its verifier sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bench.verify import arrivals, begun, fault, whole

ROOT = Path(__file__).resolve().parents[2]
CHUNKS = 4


@pytest.mark.system
def test_200_concurrent_requests_each_reach_one_terminal_event_with_every_event_in_order() -> None:
    small = ["--alone", "--requests=200", "--seconds=1", "--repeats=1", "--json"]
    command = [sys.executable, "-m", "bench", *small, "--only", "loop", "paced", "shared"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=180, check=False)

    assert ran.returncode in (0, 1), ran.stderr.decode()  # 1: a time budget was missed, which is not judged here
    runs = orjson.loads(ran.stdout)["runs"]
    assert {run["workload"]: run["faults"] for run in runs} == {"loop": {}, "paced": {}, "shared": {}}
    for run in runs:
        assert run["requests"] >= (40 if run["workload"] == "shared" else 200)
        assert 0 < run["largest"] < 10_000_000


def test_the_verifier_finds_no_fault_in_a_whole_stream() -> None:
    response = _response(b"retry: 2000\n" + _frames()[0], *_frames()[1:5], b":\n" + _frames()[5], _frames()[6])

    found = fault(b"", response, CHUNKS)

    assert found is None


def test_the_verifier_does_not_care_how_frames_are_packed() -> None:
    response = _response(b"".join(_frames()))

    found = fault(b"", response, CHUNKS)

    assert found is None


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 2, 4, 5, 6), "lost events"),
        ((0, 1, 2, 3, 4, 5), "lost events"),
        ((0, 1, 2, 3, 3, 4, 5, 6), "doubled events"),
        ((0, 1, 3, 2, 4, 5, 6), "reordered events"),
    ],
)
def test_the_verifier_sees_each_way_to_break_a_log(order: tuple[int, ...], expected: str) -> None:
    frames = _frames()
    response = _response(*(frames[index] for index in order))

    found = fault(b"", response, CHUNKS)

    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"event: complete", b"event: error", "ended in an error event"),
        (b"event: complete", b"event: status", "not exactly one terminal event at the end"),
        (b'id: 1-4\nevent: response_chunk\ndata: {"text":"1', b'id: 1-4\nevent: complete\ndata: {"text":"1',
         "not exactly one terminal event at the end"),
        (b'"text":"1 ', b'"text":"2 ', "texts out of order"),
        (b"id: 1-3\n", b"", "bytes that are no event"),
    ],
)  # fmt: skip
def test_the_verifier_sees_wrong_content(old: bytes, new: bytes, expected: str) -> None:
    response = _response(b"".join(_frames()).replace(old, new, 1))

    found = fault(b"", response, CHUNKS)

    assert found == expected


def test_the_verifier_joins_what_several_connections_have_brought() -> None:
    first = _response(*_frames())

    for end in range(first.index(b"id: 1-1"), len(first) - 5):
        earlier = whole(first[:end])
        rest = [frame for frame in _frames() if frame not in earlier]
        if earlier:
            assert begun(earlier) == b"1-%d" % (len(_frames()) - len(rest))
        if rest:
            assert fault(earlier, _response(b"retry: 2000\n" + rest[0], *rest[1:]), CHUNKS) is None


def test_a_delay_is_counted_from_the_moment_that_a_text_names() -> None:
    part = b'id: 1-3\nevent: response_chunk\ndata: {"text":"0 1700000000500000 token"}\n\n'

    assert arrivals([part, b":\n"], [1_700_000_001.0, 1_700_000_002.0]) == [(1_700_000_001.0, 0.5)]


def test_the_verifier_sees_a_response_that_was_cut() -> None:
    response = _response(*_frames())

    faults = {fault(b"", response[:end], CHUNKS) for end in range(len(response))}

    assert faults == {"broken framing"}


def _frames() -> list[bytes]:
    """A whole log: accepted, running, the chunks, complete."""
    chunks = [b'response_chunk\ndata: {"text":"%d token","part":"text"}' % number for number in range(CHUNKS)]
    events = [
        b'status\ndata: {"state":"accepted"}',
        b'status\ndata: {"state":"running"}',
        *chunks,
        b'complete\ndata: {"text":"0 token"}',
    ]
    return [b"id: 1-%d\nevent: %b\n\n" % (seq, event) for seq, event in enumerate(events, 1)]


def _response(*blocks: bytes) -> bytes:
    """An HTTP response with one chunk a block."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in (*blocks, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
