"""F3: a stop under load cuts no stream without its terminal event, and accepts nothing new."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import psutil
import pytest
import requests

from tests.system.app import expected
from tests.system.client import Answer, Client
from tests.system.server import Server

STREAMS = 200


@pytest.fixture
def drain_timeout() -> float:
    """Enough for answers that end by themselves."""
    return 6


@pytest.fixture
def own_server(tmp_path: Path, socket_driver: bool, drain_timeout: float) -> Iterator[Server]:
    with Server(tmp_path, drain_timeout=drain_timeout, socket_driver=socket_driver) as running:
        yield running


def open_streams(server: Server, *, mode: str = "count", **context: float) -> list[gevent.Greenlet]:
    """STREAMS greenlets that each follow one request in one connection; all have their first event."""

    def follow(number: int) -> Answer:
        client = Client(server.base, f"user{number}")
        request_id = client.submit(f"prompt {number}", mode, context=context)
        return client.follow(request_id, answers[number])

    answers = [Answer() for _ in range(STREAMS)]
    jobs = [gevent.spawn(follow, number) for number in range(STREAMS)]
    with gevent.Timeout(60):
        while not all(len(answer.messages) > 2 for answer in answers):
            gevent.sleep(0.05)
    return jobs


def answers_of(jobs: list[gevent.Greenlet], within: float) -> list[Answer]:
    gevent.joinall(jobs, timeout=within, raise_error=True)
    return [job.get(block=False) for job in jobs]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["term", "hup"])
def test_open_streams_run_to_their_end_and_nothing_new_is_accepted(own_server: Server, number: signal.Signals) -> None:
    jobs = open_streams(own_server, count=60, pause=0.05)
    worker = own_server.worker()
    keeping = requests.Session()  # a connection of the old worker, from before the stop
    keeping.get(f"{own_server.base}/healthz", timeout=5)

    own_server.send(number)
    gevent.sleep(0.2)
    refused = _post_over(keeping, own_server)
    answers = answers_of(jobs, 30)

    assert refused in (503, None)
    assert [answer.connections for answer in answers] == [1] * STREAMS
    for index, answer in enumerate(answers):
        assert answer.outcome == "completed"
        assert answer.text == "".join(expected(f"prompt {index}", 60))
    worker.wait(15)
    if number is signal.SIGTERM:
        assert own_server.ended(15) == 0
    else:
        own_server.wait_ready()
        assert own_server.worker().pid != worker.pid


@pytest.mark.parametrize("drain_timeout", [2], ids=["soon"])
def test_what_does_not_end_in_time_gets_its_terminal_event(own_server: Server) -> None:
    jobs = open_streams(own_server, mode="hold")

    own_server.send(signal.SIGTERM)
    answers = answers_of(jobs, 30)

    assert {answer.outcome for answer in answers} == {"draining"}
    assert {answer.text for answer in answers} == {"holding"}
    assert own_server.ended(15) == 0


@pytest.mark.parametrize("drain_timeout", [2], ids=["soon"])
def test_unwatched_requests_end_at_once(own_server: Server) -> None:
    client = Client(own_server.base)
    ids = [client.submit(mode="hold") for _ in range(20)]
    watched = client.submit(mode="hold")
    answer = Answer()
    stream = gevent.spawn(client.follow, watched, answer)
    with gevent.Timeout(10):
        while len(answer.messages) < 3:
            gevent.sleep(0.02)
    session = requests.Session()
    session.get(f"{own_server.base}/healthz", timeout=5)

    own_server.send(signal.SIGTERM)
    gevent.sleep(0.5)
    record = session.get(f"{own_server.base}/assistant/request/{ids[0]}", headers=client.headers, timeout=5)

    assert record.json()["result"]["code"] == "draining"
    assert not answer.ended
    stream.join(20)
    assert answer.outcome == "draining"


def test_ctrl_c_gives_every_stream_its_terminal_event_and_ends_at_once(own_server: Server) -> None:
    jobs = open_streams(own_server, mode="hold")
    began = time.monotonic()

    own_server.send(signal.SIGINT)
    answers = answers_of(jobs, 20)
    code = own_server.ended(10)

    assert {answer.outcome for answer in answers} == {"draining"}
    assert code == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in own_server.log.read_text()


def test_ctrl_c_while_nothing_runs_says_nothing_odd(own_server: Server) -> None:
    own_server.send(signal.SIGINT)

    assert own_server.ended(10) == 0
    assert "Traceback" not in own_server.log.read_text()


def test_a_killed_server_comes_back_and_knows_nothing_of_the_old_ids(own_server: Server) -> None:
    client = Client(own_server.base)
    request_id = client.submit(mode="hold")
    before = client.record(request_id).headers["Assistant-Instance"]

    own_server.worker().kill()
    with gevent.Timeout(10):
        while True:
            try:
                own_server.wait_ready()
                answer = client.record(request_id)
                break
            except (requests.ConnectionError, psutil.Error):
                gevent.sleep(0.1)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Assistant-Instance"] != before


def _post_over(session: requests.Session, server: Server) -> int | None:
    """The status of a POST on a connection that the old worker still holds; None when it was closed."""
    client = Client(server.base, "late")
    try:
        response = session.post(
            f"{server.base}/assistant/request", json={"prompt": "x", "mode": "count"}, headers=client.headers, timeout=5
        )
    except requests.ConnectionError:
        return None
    return response.status_code if response.headers["Assistant-Instance"] else None
