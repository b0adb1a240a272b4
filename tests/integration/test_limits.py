"""How much one user may ask for: rates per mode, running requests, and the host's own limiter left as it is."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from assistant import Assistant
from assistant.signals import request_rejected, stream_refused
from assistant.testing import SECRET, ScriptedProvider
from assistant.web.turnstile import Turnstile
from tests.integration.conftest import Start
from tests.integration.routes import routes
from tests.integration.server import Server, problem

FEW = "chat=3/minute,edit=2/minute,generate=1/minute"


@pytest.mark.parametrize(("mode", "rate"), [("chat", 60), ("edit", 30), ("generate", 20)])
def test_each_mode_has_its_rate(start: Start, mode: str, rate: int) -> None:
    server = start(ASSISTANT_MAX_ACTIVE_PER_USER=1000)

    statuses = [server.post(mode=mode, context={"content": "x"}).status_code for _ in range(rate)]
    refused = server.post(mode=mode)

    assert set(statuses) == {201}
    body = problem(refused, 429, "rate_limited")
    assert (body["scope"], body["mode"], body["limit"], body["retryable"]) == ("rate", mode, rate, True)
    assert body["retry_after"] > 0
    assert 1 <= int(refused.headers["Retry-After"]) <= 61  # a whole window, rounded up


def test_a_rate_is_one_users_and_one_modes(start: Start) -> None:
    server = start(ASSISTANT_RATES=FEW)

    server.started(mode="generate")

    assert server.post(mode="generate").status_code == 429
    assert server.post(mode="generate", user="eve").status_code == 201
    assert server.post(mode="chat").status_code == 201


def test_a_mode_of_the_teams_own_has_a_rate_too(start: Start) -> None:
    assistant = Assistant(provider=ScriptedProvider())

    @assistant.handler("mine")
    def mine(run: Any) -> Any:
        yield from ()

    server = start(assistant=assistant, ASSISTANT_MAX_ACTIVE_PER_USER=1000)

    statuses = [server.post(mode="mine").status_code for _ in range(61)]

    assert (statuses[:60], statuses[60]) == ([201] * 60, 429)


def test_what_is_refused_before_it_is_a_request_counts_nothing(start: Start) -> None:
    server = start(ASSISTANT_RATES="chat=1/minute")

    for body in ({"mode": "chat"}, {"prompt": "", "mode": "chat"}, {"prompt": "x", "mode": "none"}, [1]):
        problem(server.post(body), 400, "invalid_request")
    server.call("POST", "/request", data="x", content_type="text/plain")

    assert server.post().status_code == 201


def test_an_accepted_body_is_checked_before_the_rate(start: Start) -> None:
    server = start(ASSISTANT_RATES="chat=1/minute")
    server.started()

    problem(server.post({"prompt": "x", "mode": "chat", "more": 1}), 400, "invalid_request")
    problem(server.post(), 429, "rate_limited")


def test_five_answers_run_at_a_time(start: Start) -> None:
    server = start(60.0)

    for _ in range(5):
        server.started()
    refused = server.post()

    body = problem(refused, 429, "too_many_active")
    assert (body["scope"], body["mode"], body["limit"]) == ("active", "chat", 5)
    assert int(refused.headers["Retry-After"]) >= 1
    assert server.post(user="eve").status_code == 201


def test_a_place_is_free_as_soon_as_an_answer_ends(start: Start) -> None:
    server = start(60.0)
    ids = [server.started() for _ in range(5)]

    server.call("DELETE", f"/request/{ids[0]}")
    server.events(ids[0])

    assert server.post().status_code == 201


def test_a_full_worker_says_when_to_come_again(start: Start) -> None:
    server = start(60.0, ASSISTANT_MAX_ACTIVE=2)

    server.started(user="ann")
    server.started(user="eve")
    refused = server.post(user="bob")

    problem(refused, 503, "server_full")
    assert int(refused.headers["Retry-After"]) >= 1
    problem(server.client.get("/readyz"), 503, "server_full")
    assert server.client.get("/healthz").status_code == 200


def test_whose_turn_does_not_come_is_told_to_come_again_and_counted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(60.0)
    request_id = server.started()
    refusals: list[tuple[str, str]] = []

    def on_post(_: Any, *, code: str, **__: Any) -> None:
        refusals.append(("post", code))

    def on_stream(_: Any, *, code: str, **__: Any) -> None:
        refusals.append(("stream", code))

    monkeypatch.setattr(Turnstile, "enter", lambda _, *, new=False: False)
    with request_rejected.connected_to(on_post), stream_refused.connected_to(on_stream):
        for refused in (
            server.post(),
            server.call("GET", f"/stream/{request_id}"),
            server.call("DELETE", f"/request/{request_id}"),
        ):
            problem(refused, 503, "server_full")
            assert int(refused.headers["Retry-After"]) >= 1
    monkeypatch.undo()

    assert refusals == [("post", "server_full"), ("stream", "server_full")]
    assert server.post().status_code == 201


def test_a_loop_of_cancels_is_stopped(server: Server) -> None:
    request_id = server.started()

    statuses = [server.call("DELETE", f"/request/{request_id}").status_code for _ in range(121)]

    assert set(statuses[:120]) <= {200, 202}
    assert statuses[120] == 429


# --- inside an app that limits by itself ---
def hosted(start_limiter: Any, **config: Any) -> tuple[Flask, Any]:
    app = Flask("host")
    app.config.update(JWT_SECRET_KEY=SECRET, ASSISTANT_GUESTS=True, **config)
    limiter = start_limiter(app)
    app.add_url_rule("/own", view_func=lambda: "own", endpoint="own")
    Assistant(app, provider=ScriptedProvider())
    return app, limiter


def test_the_hosts_limiter_is_used_and_no_second_one_made() -> None:
    app, limiter = hosted(lambda app: Limiter(get_remote_address, app=app, storage_uri="memory://"))

    assert app.extensions["limiter"] == {limiter}


def test_the_hosts_default_rates_hold_for_its_routes_and_not_for_ours(request: pytest.FixtureRequest) -> None:
    app, _ = hosted(
        lambda app: Limiter(
            get_remote_address,
            app=app,
            default_limits=["2/minute"],
            application_limits=["50/minute"],
            storage_uri="memory://",
        )
    )
    web, client = app.extensions["assistant"], app.test_client()
    request.addfinalizer(web.janitor.close)
    with app.app_context():
        found = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods or ()}

    own = [client.get("/own").status_code for _ in range(3)]
    ours = {
        (rule, method): [
            client.open(rule.replace("<", "").replace(">", ""), method=method).status_code for _ in range(4)
        ]
        for rule, method in sorted(found)
        if rule.startswith("/assistant")
    }

    assert own == [200, 200, 429]
    assert len(ours) > 15
    assert not [where for where, statuses in ours.items() if 429 in statuses]


def test_a_default_rate_of_a_stand_alone_server_leaves_health_alone(start: Start) -> None:
    server = start(RATELIMIT_DEFAULT="1/minute")

    statuses = {path: [server.client.get(path).status_code for _ in range(3)] for path in ("/healthz", "/readyz")}

    assert statuses == {"/healthz": [200] * 3, "/readyz": [200] * 3}
    for route in routes(server):
        assert 429 not in [server.call(route.method, route.at("x"), user=None).status_code for _ in range(3)], route


def test_a_limiter_that_the_host_has_switched_off_limits_nothing(request: pytest.FixtureRequest) -> None:
    app, _ = hosted(lambda app: Limiter(get_remote_address, app=app, storage_uri="memory://"), RATELIMIT_ENABLED=False)
    request.addfinalizer(app.extensions["assistant"].janitor.close)

    statuses = {app.test_client().post("/assistant/session").status_code for _ in range(65)}

    assert statuses == {201}


def test_a_limiter_whose_store_is_away_is_a_503(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=False)
    (limiter,) = server.app.extensions["limiter"]

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionError("redis://10.0.0.9 is away")

    monkeypatch.setattr(limiter.limiter, "hit", away)

    response = server.post()

    problem(response, 503, "store_unavailable")
    assert "10.0.0.9" not in response.text


def test_a_worker_counts_for_itself_while_its_store_is_away(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(ASSISTANT_RATES="chat=2/minute")
    (limiter,) = server.app.extensions["limiter"]

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionError("away")

    monkeypatch.setattr(limiter._limiter, "hit", away)

    assert [server.post().status_code for _ in range(3)] == [201, 201, 429]
