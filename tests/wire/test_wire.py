"""The server reproduces the golden transcripts byte for byte."""

from __future__ import annotations

import json

import pytest

from assistant import sse
from tests.wire.scenarios import HERE, SCENARIOS, written


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_server_says_what_the_transcript_says(name: str) -> None:
    golden = (HERE / f"{name}.json").read_text()

    assert written(name) == golden


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_transcript_reads_the_same_however_its_bytes_are_cut(name: str) -> None:
    transcript = json.loads((HERE / f"{name}.json").read_text())

    for connection in transcript["connections"]:
        body = connection["body"].encode()
        whole = list(sse.decode([body]))
        assert [list(sse.decode([body[:at], body[at:]])) for at in range(0, len(body), 7)] == [whole] * len(
            range(0, len(body), 7)
        )


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_transcript_ends_in_exactly_one_terminal_event(name: str) -> None:
    events = json.loads((HERE / f"{name}.json").read_text())["events"]

    terminal = [event["id"] for event in events if event["event"] in ("complete", "error")]
    ids = [tuple(map(int, event["id"].split("-"))) for event in events]

    assert terminal == [events[-1]["id"]]
    assert ids == sorted(set(ids))


def test_every_file_belongs_to_a_scenario() -> None:
    assert {path.stem for path in HERE.glob("*.json")} == set(SCENARIOS)
