"""An answer that takes longer than the proxies in front are patient."""

from __future__ import annotations

import pytest

from assistant import sse
from tests.deploy.conftest import PAUSES, LongAnswer

pytestmark = pytest.mark.system


def test_an_answer_of_a_minute_arrives_whole_on_one_connection(long_answer: LongAnswer) -> None:
    assert long_answer.process.wait(100) == 0

    body = long_answer.came.read_bytes()
    sent = list(sse.decode([body]))
    assert [one.json()["text"] for one in sent if one.event == "response_chunk"] == [
        f"{n};" for n in range(len(PAUSES))
    ]
    assert sent[-1].json()["outcome"] == "completed"
    assert sent[-1].json()["timings"]["total"] > 60
    assert body.split(b"\n").count(b":") >= 3  # what kept the connection open in the silence
