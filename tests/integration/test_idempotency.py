"""Idempotency-Key: sent again, a POST is the same request."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from tests.integration.conftest import Start
from tests.integration.server import SOON, Server, problem


def keyed(key: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_the_same_post_again_is_the_same_answer(server: Server) -> None:
    first = server.post(headers=keyed())
    second = server.post(headers=keyed())

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.data == first.data
    assert second.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_another_body_under_the_same_key_is_refused(server: Server) -> None:
    server.post(headers=keyed())

    for change in ({"prompt": "Other"}, {"mode": "generate"}, {"track_id": "t"}):
        response = server.post(headers=keyed(), **change)

        problem(response, 422, "idempotency_mismatch")
        assert "Idempotent-Replayed" not in response.headers


def test_other_bytes_of_the_same_body_are_another_body(server: Server) -> None:
    spaced, tight = b'{"prompt": "x", "mode": "chat"}', b'{"prompt":"x","mode":"chat"}'
    options = {"headers": keyed(), "content_type": "application/json"}

    server.call("POST", "/request", data=spaced, **options)

    problem(server.call("POST", "/request", data=tight, **options), 422, "idempotency_mismatch")


def test_a_key_is_one_users(server: Server) -> None:
    ann, eve = server.post(headers=keyed()), server.post(headers=keyed(), user="eve", prompt="Other")

    assert (ann.status_code, eve.status_code) == (201, 201)
    assert ann.json["request_id"] != eve.json["request_id"]


def test_another_key_is_another_request(server: Server) -> None:
    assert server.post(headers=keyed("a")).json["request_id"] != server.post(headers=keyed("b")).json["request_id"]


def test_a_replay_costs_no_place(start: Start) -> None:
    server = start(60.0)

    first = server.started(headers=keyed())
    for _ in range(4):
        server.started()
    replayed = server.started(headers=keyed())

    assert replayed == first
    problem(server.post(), 429, "too_many_active")


def test_fifty_posts_at_once_start_one_run(start: Start) -> None:
    server = start("Hello.")

    jobs = [gevent.spawn(server.post, headers=keyed()) for _ in range(50)]
    gevent.joinall(jobs, timeout=SOON, raise_error=True)
    server.finished()

    responses = [job.value for job in jobs]
    assert {response.status_code for response in responses} == {201}
    assert len({response.data for response in responses}) == 1
    assert sum("Idempotent-Replayed" in response.headers for response in responses) == 49
    assert len(server.assistant.provider.calls) == 1


def test_a_key_lives_as_long_as_its_request(start: Start) -> None:
    server = start("Hello.", ASSISTANT_RETENTION=0)
    first = server.started(headers=keyed())
    server.finished()
    server.web.janitor.round()

    second = server.post(headers=keyed())

    assert second.json["request_id"] != first
    assert "Idempotent-Replayed" not in second.headers


def test_a_refused_post_does_not_use_its_key_up(start: Start) -> None:
    server = start(60.0, ASSISTANT_MAX_ACTIVE_PER_USER=1)
    running = server.started()
    problem(server.post(headers=keyed()), 429, "too_many_active")
    server.call("DELETE", f"/request/{running}")
    server.events(running)

    response = server.post(headers=keyed())

    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "é", "k\t", "\x7f"], ids=repr)
def test_what_is_no_key_is_refused(server: Server, key: Any) -> None:
    body = problem(server.post(headers=keyed(key)), 400, "invalid_request")

    assert body["errors"] == [
        {"loc": ["Idempotency-Key"], "msg": "1 to 255 visible ASCII characters", "type": "idempotency_key"}
    ]


@pytest.mark.parametrize("key", ["k", "!~", "k" * 255, '"quoted,key"'], ids=repr)
def test_every_visible_ascii_text_is_a_key(server: Server, key: str) -> None:
    assert server.post(headers=keyed(key)).status_code == 201
