"""F11: however a stream is cut, its resumption gives the identical text and ids."""

from __future__ import annotations

import random

import gevent
import pytest

from tests.system.app import expected
from tests.system.client import Answer, Client
from tests.system.proxy import Proxy
from tests.system.server import Server


def test_a_stream_cut_at_every_event_boundary_is_identical(client: Client) -> None:
    request_id = client.submit("boundaries", context={"count": 40})
    whole = client.read(request_id)

    for boundary in range(1, len(whole.messages)):
        answer = client.follow(request_id, leave=lambda got, at=boundary: len(got.messages) == at)
        client.follow(request_id, answer)
        assert answer.messages == whole.messages


def test_a_live_stream_cut_after_every_event_is_identical(client: Client) -> None:
    request_id = client.submit("one at a time", context={"count": 60, "pause": 0.005})
    answer = Answer()

    while not answer.ended:
        seen = len(answer.messages)
        client.follow(request_id, answer, leave=lambda got, before=seen: len(got.messages) > before)

    assert answer.connections >= 60
    assert answer.text == "".join(expected("one at a time", 60))
    assert answer.messages == client.read(request_id).messages


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_streams_cut_at_random_bytes_are_identical(server: Server, reset: bool) -> None:
    rolls = random.Random(11)

    def budget() -> int | None:
        return rolls.choice([None, *(rolls.randrange(1, 4000) for _ in range(5))])

    def one(number: int) -> tuple[Answer, Answer]:
        direct = Client(server.base, f"user{number}")
        request_id = direct.submit(f"prompt {number}", context={"count": 80, "pause": 0.01})
        through = Client(proxy.base, f"user{number}").read(request_id)
        return through, direct.read(request_id)

    with Proxy(server.port, budget, reset=reset) as proxy:
        jobs = [gevent.spawn(one, number) for number in range(30)]
        gevent.joinall(jobs, timeout=90, raise_error=True)

        for number, job in enumerate(jobs):
            through, direct = job.value
            assert through.messages == direct.messages
            assert through.text == "".join(expected(f"prompt {number}", 80))
        assert proxy.cuts > 30


def test_five_viewers_at_different_speeds_see_the_same(client: Client) -> None:
    request_id = client.submit("five", context={"count": 50, "pause": 0.01})

    def slow(pause: float) -> Answer:
        return client.follow(request_id, leave=lambda _: gevent.sleep(pause))

    jobs = [gevent.spawn(slow, pause) for pause in (0, 0.001, 0.005, 0.01)]
    leaver = gevent.spawn(client.follow, request_id, leave=lambda got: len(got.messages) == 10)
    gevent.joinall([*jobs, leaver], timeout=60, raise_error=True)

    assert len(leaver.value.messages) == 10
    assert all(job.value.text == "".join(expected("five", 50)) for job in jobs)
