"""Someone else's id is answered like one that never was, on every verb and in every state."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel
from werkzeug.test import TestResponse

from assistant import Assistant, ask
from assistant.testing import ScriptedProvider
from tests.integration.conftest import Start
from tests.integration.routes import Route, routes, secured
from tests.integration.server import Server, problem

# Answers timed of each kind on each route, and how far from a fair coin the guess of one who times them may be. Chance
# alone strays by 0.02, so that this bound is seven of its deviations away; a tenth more time for one kind crosses it.
_TIMED, _ADVANTAGE = 400, 0.15

UNKNOWN = "20260101T000000000Z-00000000-0000-4000-8000-00000000abcd"


def told(response: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """All there is to see of a response."""
    return response.status_code, sorted(response.headers), response.data


def named(server: Server) -> list[Route]:
    """The routes that name one request."""
    return [route for route in secured(server) if "request_id" in route.names]


def running(start: Start) -> tuple[Server, str]:
    server = start(60.0)
    return server, server.started()


def ended(start: Start) -> tuple[Server, str]:
    server = start("Hello.")
    request_id = server.started()
    server.finished()
    return server, request_id


def forgotten(start: Start) -> tuple[Server, str]:
    server = start("Hello.", ASSISTANT_RETENTION=0)
    request_id = server.started()
    server.finished()
    server.web.janitor.round()
    return server, request_id


def waiting(start: Start) -> tuple[Server, str]:
    assistant = Assistant(provider=ScriptedProvider())

    @assistant.action("allow", wants="approval")
    class Allow(BaseModel):
        pass

    @assistant.handler("chat")
    def chat(run: Any) -> Any:
        yield ask("allow")

    server = start(assistant=assistant)
    request_id = server.started()
    server.waiting(request_id)
    return server, request_id


@pytest.mark.parametrize("state", [running, ended, forgotten, waiting])
def test_someone_elses_request_is_like_an_unknown_one(start: Start, state: Any) -> None:
    server, request_id = state(start)
    action_id = _action_of(server, request_id)

    for route in named(server):
        for after in ("", "?after=1-1", "?after=0"):
            path, unknown = route.at(request_id, action_id) + after, route.at(UNKNOWN, action_id) + after
            foreign = server.call(route.method, path, user="eve", json=route.body)
            absent = server.call(route.method, unknown, user="eve", json=route.body)

            assert told(foreign) == told(absent), route
            assert foreign.status_code == 404, route


@pytest.mark.parametrize("state", [running, ended, forgotten])
def test_the_time_of_an_answer_does_not_tell_them_apart(start: Start, state: Any) -> None:
    server, request_id = state(start)
    next(iter(server.app.extensions["limiter"])).enabled = False  # 429 would be another answer
    dice = random.Random(32)

    for route in (route for route in named(server) if route.method != "HEAD"):
        spent: dict[str, list[int]] = {request_id: [], UNKNOWN: []}
        for asked in dice.sample([request_id, UNKNOWN] * _TIMED, 2 * _TIMED):
            began = time.thread_time_ns()  # of this thread alone: who else is on the machine does not count
            server.call(route.method, route.at(asked), user="eve", json=route.body)
            spent[asked].append(time.thread_time_ns() - began)

        assert 0.5 - _ADVANTAGE < chance_to_tell(*spent.values()) < 0.5 + _ADVANTAGE, route


def chance_to_tell(ones: Sequence[float], others: Sequence[float]) -> float:
    """How often one of `ones` is more than one of `others`: 0.5 when nothing sets them apart, 0 or 1 when all does."""
    ranked = sorted([(value, 0) for value in others] + [(value, 1) for value in ones])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which)
    return (ranks - len(ones) * (len(ones) + 1) / 2) / (len(ones) * len(others))


def test_the_measure_of_time_sees_what_is_there() -> None:
    dice = random.Random(1)
    like, alike, slower = ([dice.gauss(mean, 30) for _ in range(_TIMED)] for mean in (300, 300, 330))

    assert abs(chance_to_tell(like, alike) - 0.5) < _ADVANTAGE
    assert chance_to_tell(slower, like) > 0.5 + _ADVANTAGE


def _action_of(server: Server, request_id: str) -> str:
    record = server.call("GET", f"/request/{request_id}").json
    return next((one["action_id"] for one in record.get("pending_actions", ())), "act-1")


def test_a_stranger_changes_nothing(start: Start) -> None:
    server, request_id = waiting(start)
    action_id = _action_of(server, request_id)

    for route in named(server):
        server.call(route.method, route.at(request_id, action_id), user="eve", json=route.body)

    record = server.call("GET", f"/request/{request_id}").json
    assert record["status"] == "waiting_action"
    assert record["pending_actions"][0]["phase"] == "proposed"
    assert record["viewers"] == 0


def test_the_owner_of_a_forgotten_request_hears_that_it_is_gone(start: Start) -> None:
    server, request_id = forgotten(start)

    for route in named(server):
        response = server.call(route.method, route.at(request_id), json=route.body)

        assert response.status_code == 410, route
        if route.method != "HEAD":
            problem(response, 410, "gone")


def test_a_list_holds_ones_own_requests_only(server: Server) -> None:
    mine, theirs = server.started(track_id="t"), server.started(user="eve", track_id="t")

    listed = server.call("GET", "/requests?track_id=t").json["requests"]

    assert [one["request_id"] for one in listed] == [mine]
    assert theirs not in str(listed)


@pytest.mark.parametrize(
    "request_id",
    [
        "x",
        UNKNOWN.upper(),
        UNKNOWN + "0",
        UNKNOWN.replace("-4000-", "-1000-"),
        UNKNOWN.replace("0", "٠"),
        UNKNOWN + "%00",
        UNKNOWN + "%0A",
        "..",
        "%2e%2e",
        "a" * 100_000,
        "%ff",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_id_is_refused_before_anything_is_looked_up(server: Server, request_id: str) -> None:
    for route in named(server):
        response = server.call(route.method, route.at(request_id), json=route.body)

        assert response.status_code == 400 or request_id in ("..", "%2e%2e"), route
        assert response.status_code < 500


def test_every_route_with_an_id_is_secured(server: Server) -> None:
    assert not [route for route in routes(server) if "request_id" in route.names and not route.secured]
