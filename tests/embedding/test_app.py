"""The mailroom's own tests. They pass unchanged with and without the assistant in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from assistant.testing import ScriptedProvider
from tests.embedding.app import create_app, with_assistant


@pytest.fixture(params=[False, True], ids=["alone", "with the assistant"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(tmp_path)
    if request.param:
        with_assistant(app, ScriptedProvider())
    yield app
    if request.param:
        app.extensions["assistant"].janitor.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def form(client: FlaskClient, path: str, **fields: str) -> tuple[int, str]:
    fields["csrf_token"] = client.get("/form").text
    response = client.post(path, data=fields)
    return response.status_code, response.text


def log_in(client: FlaskClient, name: str = "ann") -> str:
    fields = {"name": name, "password": name[0], "csrf_token": client.get("/form").text}
    response = client.post("/login", data=fields)
    assert response.status_code == 200
    token: str = response.json["token"]
    return token


def test_a_user_logs_in_and_out(client: FlaskClient) -> None:
    assert client.get("/messages/a").status_code == 401

    log_in(client)
    inside = client.get("/messages/a")
    form(client, "/logout")

    assert (inside.status_code, inside.json) == (200, [])
    assert client.get("/messages/a").status_code == 401


def test_a_message_is_sent_and_read_by_its_owner(app: Flask, client: FlaskClient) -> None:
    log_in(client)

    assert form(client, "/messages/a", text="Dear Bob") == (201, "sent")

    eve = app.test_client()
    log_in(eve, "eve")
    assert client.get("/messages/a").json == [{"role": "user", "content": "Dear Bob"}]
    assert eve.get("/messages/a").json == []


def test_a_form_without_its_token_is_refused(client: FlaskClient) -> None:
    response = client.post("/login", data={"name": "ann", "password": "a"})

    assert (response.status_code, response.text) == (400, "Mailroom says 400.")


def test_the_api_knows_its_users_by_token(client: FlaskClient) -> None:
    token = log_in(client)

    response = client.get("/api/me", headers={"Authorization": f"Bearer {token}"})

    assert response.json == {"user": "1"}


def test_the_api_refuses_in_its_own_words(client: FlaskClient) -> None:
    missing = client.get("/api/me")
    invalid = client.get("/api/me", headers={"Authorization": "Bearer x.y.z"})

    assert (missing.status_code, missing.json) == (401, {"mailroom": "no token"})
    assert (invalid.status_code, invalid.json) == (401, {"mailroom": "bad token"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/assistant/request", 404), ("GET", "/healthz", 404), ("DELETE", "/form", 405)],
)
def test_what_is_not_there_is_refused_in_its_own_words(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)

    assert (response.status_code, response.text) == (status, f"Mailroom says {status}.")


def test_a_bug_is_answered_in_its_own_words(client: FlaskClient) -> None:
    response = client.get("/crash")

    assert (response.status_code, response.text) == (500, "Mailroom is sorry.")


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert form(client, "/messages/a", text="x" * 2_000) == (413, "Mailroom says 413.")


def test_rates_hold_per_route_and_by_default(client: FlaskClient) -> None:
    rare = [client.get("/api/rare").status_code for _ in range(3)]
    often = [client.get("/form").status_code for _ in range(31)]

    assert rare == [200, 200, 429]
    assert often == [200] * 30 + [429]


def test_every_answer_is_signed_and_nothing_is_added_to_it(client: FlaskClient) -> None:
    for path in ("/form", "/nowhere", "/crash", "/api/me"):
        headers = client.get(path).headers
        assert headers["X-Mailroom"] == "1"
        assert not [name for name, _ in headers if name.startswith(("Assistant-", "Access-Control-", "RateLimit"))]
