"""Several real workers over one Redis: any of them answers for any request."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
from gevent.server import StreamServer

from tests.redis.servers import RedisServer
from tests.system.client import Answer, Client
from tests.system.redis.swarm import Swarm
from tests.system.server import PATIENCE, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("workers")
    with Server(folder, workers=2, registry=valkey.url, redis_prefix="workers", socket_driver=True) as running:
        yield running


def elsewhere(instance: str, ask: Callable[[], requests.Response]) -> requests.Response:
    """The first answer that another process gives; each connection may find another, once that has started."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        response = ask()
        if response.headers["Assistant-Instance"] != instance:
            return response
    raise AssertionError("only one process answers")


def started(client: Client, mode: str, **context: Any) -> tuple[str, str]:
    """A request and the instance that owns it."""
    response = client.post("Hello", mode, context=context)
    assert response.status_code == 201, response.text
    return response.json()["request_id"], response.headers["Assistant-Instance"]


def test_every_stream_is_whole_whichever_worker_serves_it(server: Server) -> None:
    swarm = Swarm(server.base, 40, count=40, pause=0.01)

    swarm.join(60)

    assert swarm.wrong() == []
    assert swarm.outcomes() == {"completed": 40}
    assert {one.answer.connections for one in swarm.followers} == {1}


def test_record_and_list_are_the_same_everywhere(server: Server) -> None:
    client = Client(server.base, f"lister-{uuid.uuid4().hex}")
    request_id, owner = started(client, "hold")
    gevent.sleep(0.2)

    record = elsewhere(owner, lambda: client.record(request_id)).json()
    listed = elsewhere(
        owner, lambda: requests.get(f"{server.base}/assistant/requests", headers=client.headers, timeout=5)
    ).json()

    assert (record["request_id"], record["status"], record["result"]) == (request_id, "running", None)
    assert [one["request_id"] for one in listed["requests"]] == [request_id]
    client.cancel(request_id)


def test_a_cancel_from_another_worker_closes_the_upstream_within_a_second(server: Server) -> None:
    closed: list[float] = []

    def upstream(connection: Any, _: Any) -> None:
        while connection.recv(100):
            pass
        closed.append(time.monotonic())

    with_model = StreamServer(("127.0.0.1", 0), upstream)
    with_model.start()
    try:
        for number in range(6):
            client = Client(server.base, f"canceller{number}")
            request_id, owner = started(client, "upstream", port=with_model.server_port)
            answer = Answer()
            stream = gevent.spawn(client.follow, request_id, answer)
            with gevent.Timeout(10):
                while len(answer.messages) < 3:
                    gevent.sleep(0.01)
            began = time.monotonic()
            first = client.cancel(request_id)
            with gevent.Timeout(5):
                while len(closed) <= number:
                    gevent.sleep(0.005)
            stream.join(5)

            assert first.status_code == 202
            assert closed[number] - began <= (1.0 if first.headers["Assistant-Instance"] != owner else 0.25)
            assert answer.outcome == "cancelled"
            assert elsewhere(owner, lambda: client.cancel(request_id)).status_code == 200  # noqa: B023
    finally:
        with_model.stop(timeout=1)


def test_an_action_is_answered_from_any_worker_and_once(server: Server) -> None:
    for number in range(4):
        client = Client(server.base, f"actor{number}")
        request_id, owner = started(client, "ask")
        with gevent.Timeout(10):
            while not (pending := client.record(request_id).json()["pending_actions"]):
                gevent.sleep(0.02)
        url = f"{server.base}/assistant/request/{request_id}/actions/{pending[0]['action_id']}"

        def say(body: dict[str, Any], url: str = url, client: Client = client) -> requests.Response:
            return requests.post(url, json=body, headers=client.headers, timeout=5)

        answered = elsewhere(owner, lambda: say({"status": "ok", "value": 7}))
        again = say({"status": "ok", "value": 7})
        other = say({"status": "denied"})
        answer = client.read(request_id)

        assert answered.status_code in (200, 202)
        assert (again.status_code, other.status_code) == (200, 409)
        assert answer.text == "7"
        assert [m.json()["phase"] for m in answer.messages if m.event == "action"] == ["proposed", "resolved"]


def test_fifty_identical_posts_start_one_run(tmp_path: Path, valkey: RedisServer) -> None:
    with Server(tmp_path, workers=4, registry=valkey.url, redis_prefix="same", socket_driver=True) as four:
        client = Client(four.base)
        for _ in range(4):
            headers = {"Idempotency-Key": uuid.uuid4().hex}
            jobs = [gevent.spawn(client.post, "the same", context={"count": 5}, headers=headers) for _ in range(50)]
            gevent.joinall(jobs, timeout=30, raise_error=True)

            answers = [job.value for job in jobs]
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["request_id"] for answer in answers}) == 1
            replayed = Counter(answer.headers.get("Idempotent-Replayed") for answer in answers)
            assert replayed == {"true": 49, None: 1}
        listed = requests.get(f"{four.base}/assistant/requests", headers=client.headers, timeout=5).json()
        assert len(listed["requests"]) == 4


def test_500_viewers_cost_at_most_four_connections(server: Server, valkey: RedisServer) -> None:
    def connections() -> int:
        with valkey.client() as client:
            return len([one for one in client.client_list() if one["cmd"] != "client|list"])

    first = Client(server.base, "first")
    request_id, owner = started(first, "count", count=1)
    elsewhere(owner, lambda: first.record(request_id))  # a process that nobody has asked yet has no connections at all
    swarm = Swarm(server.base, 100, mode="hold")
    swarm.wait_streaming(3)
    gevent.sleep(0.5)
    before = connections()
    answers = [Answer() for _ in range(400)]
    jobs = [  # with room below ten viewers a request, for one that lost its connection and came again
        gevent.spawn(one.client.follow, one.request_id, answers[place * 4 + tab])
        for place, one in enumerate(swarm.followers)
        for tab in range(4)
    ]
    with gevent.Timeout(60):
        while not all(len(answer.messages) >= 3 for answer in answers):
            gevent.sleep(0.05)

    grown = connections() - before

    for one in swarm.followers:
        one.client.cancel(one.request_id)
    gevent.joinall(jobs, timeout=30, raise_error=True)
    swarm.join(30)
    assert {answer.outcome for answer in answers} == {"cancelled"}
    assert grown <= 4  # in both processes together


def test_a_user_has_five_places_in_all_workers_together(tmp_path: Path, valkey: RedisServer) -> None:
    settings = {"registry": valkey.url, "redis_prefix": "places", "max_active_per_user": 5}
    with Server(tmp_path, workers=2, **settings) as two:  # type: ignore[arg-type]
        client = Client(two.base)
        jobs = [gevent.spawn(client.post, f"number {n}", "hold") for n in range(40)]
        gevent.joinall(jobs, timeout=30, raise_error=True)

        codes = Counter(job.value.status_code for job in jobs)
        assert codes == {201: 5, 429: 35}


def test_one_request_has_ten_viewers_in_all_workers_together(server: Server) -> None:
    client = Client(server.base, "crowd")
    request_id, _ = started(client, "hold")
    answers = [Answer() for _ in range(10)]
    jobs = [gevent.spawn(client.follow, request_id, answer) for answer in answers]
    with gevent.Timeout(20):
        while not all(len(answer.messages) >= 3 for answer in answers):
            gevent.sleep(0.02)

    refused = []
    for _ in range(6):
        connection, response = client.connect(request_id)
        refused.append(response.status)
        connection.close()
    client.cancel(request_id)
    gevent.joinall(jobs, timeout=20, raise_error=True)

    assert refused == [429] * 6
