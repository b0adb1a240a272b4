"""Visitors without a login: off unless switched on, and the same visitor after a reload."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from assistant.config import ConfigError
from assistant.testing import SECRET
from tests.integration.conftest import Start
from tests.integration.forge import Forge, private_pem, rs256
from tests.integration.server import Server, problem


def visit(server: Server, cookie: str | None = None, **options: Any) -> TestResponse:
    headers = dict(options.pop("headers", {}))
    if cookie is not None:
        headers["Cookie"] = f"assistant_guest={cookie}"
    return server.call("POST", "/session", user=None, headers=headers, **options)


def cookie_of(response: TestResponse) -> Any:
    return SimpleCookie(response.headers["Set-Cookie"])["assistant_guest"]


def test_there_are_no_guests_unless_they_are_switched_on(start: Start) -> None:
    server = start()

    for _ in range(70):  # also not counted: it stays 404
        response = visit(server)

    problem(response, 404, "not_found")
    assert "Set-Cookie" not in response.headers


def test_there_are_no_guests_beside_a_login_of_the_teams_own(start: Start) -> None:
    problem(visit(start(identify=lambda: None, ASSISTANT_GUESTS=True)), 404, "not_found")


def test_a_debugger_is_not_shown_to_guests_behind_a_proxy(start: Start) -> None:
    with pytest.raises(ConfigError, match="FLASK_DEBUG and ASSISTANT_GUESTS"):
        start(DEBUG=True, ASSISTANT_GUESTS=True, ASSISTANT_PROXIES=1)


def test_a_guest_gets_a_token_that_works_and_lives_15_minutes(server: Server) -> None:
    response = visit(server)

    body = response.json
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    claims = jwt.decode(body["access_token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == body["user_id"]
    assert claims["exp"] - time.time() == pytest.approx(900, abs=5)
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    assert server.post(user=None, headers=bearer).status_code == 201


def test_what_an_app_says_of_its_own_users_is_not_asked_about_a_guest(server: Server) -> None:
    manager = server.app.extensions["flask-jwt-extended"]
    manager.user_identity_loader(lambda user: user.id)
    manager.additional_claims_loader(lambda user: {"role": user.role})

    response = visit(server)

    assert response.status_code == 201
    assert jwt.decode(response.json["access_token"], SECRET, algorithms=["HS256"])["sub"] == response.json["user_id"]
    bearer = {"Authorization": f"Bearer {response.json['access_token']}"}
    assert server.post(user=None, headers=bearer).status_code == 201


def test_a_key_loader_that_fails_for_a_guest_is_a_matter_of_set_up(server: Server) -> None:
    server.app.extensions["flask-jwt-extended"].encode_key_loader(lambda user: user.tenant.key)

    problem(visit(server), 503, "misconfigured")


def test_a_guests_token_carries_the_name_of_the_apps_key(server: Server) -> None:
    manager = server.app.extensions["flask-jwt-extended"]
    manager.additional_headers_loader(lambda _: {"kid": "2026-11"})

    response = visit(server)

    assert jwt.get_unverified_header(response.json["access_token"])["kid"] == "2026-11"


def test_a_reload_is_the_same_guest_with_a_fresh_token(server: Server) -> None:
    first = visit(server)

    second = visit(server, cookie_of(first).value)

    assert second.json["user_id"] == first.json["user_id"]
    assert second.json["access_token"] != first.json["access_token"]


def test_two_visitors_are_two_guests(server: Server) -> None:
    assert visit(server).json["user_id"] != visit(server).json["user_id"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    cookie = cookie_of(visit(server))

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/assistant"
    assert cookie["max-age"] == str(24 * 3600)
    assert not cookie["secure"]


def test_the_cookie_is_secure_where_the_page_is(server: Server) -> None:
    assert cookie_of(visit(server, base_url="https://localhost"))["secure"]


def test_the_cookie_is_secure_behind_a_trusted_proxy_with_tls(start: Start) -> None:
    server = start(ASSISTANT_GUESTS=True, ASSISTANT_PROXIES=1)

    assert cookie_of(visit(server, headers={"X-Forwarded-Proto": "https"}))["secure"]


@pytest.mark.parametrize(
    "forge",
    [
        lambda good: good.rpartition(".")[0],
        lambda good: good[:-5] + ("A" if good[-5] != "A" else "B") + good[-4:],  # the last one holds spare bits
        lambda good: "guest:00000000-0000-4000-8000-000000000000" + good[42:],
        lambda good: "ann" + good[42:],
        lambda good: "",
        lambda good: "\xff\xfe",
        lambda good: "x" * 100_000,
    ],
    ids=["unsigned", "altered", "another guest", "a user", "empty", "odd bytes", "huge"],
)
def test_a_forged_cookie_is_a_new_visitor(server: Server, forge: Any) -> None:
    first = visit(server)

    second = visit(server, forge(cookie_of(first).value))

    assert second.status_code == 201
    assert second.json["user_id"] not in (first.json["user_id"], "ann", "guest:00000000-0000-4000-8000-000000000000")
    assert second.json["user_id"].startswith("guest:")


def test_a_cookie_of_yesterday_is_a_new_visitor(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = visit(server)
    later = time.time() + 24 * 3600 + 5
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)

    second = visit(server, cookie_of(first).value)

    assert second.json["user_id"] != first.json["user_id"]


def test_a_reload_is_the_same_guest_under_rs256(start: Start) -> None:
    keys: Forge = rs256()
    server = start(
        JWT_SECRET_KEY=None,
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=keys.public_pem().decode(),
        JWT_PRIVATE_KEY=private_pem(keys),
        ASSISTANT_GUESTS=True,
    )
    first = visit(server)

    second = visit(server, cookie_of(first).value)

    assert second.json["user_id"] == first.json["user_id"]


def test_an_address_gets_60_tokens_a_minute(server: Server) -> None:
    statuses = [visit(server).status_code for _ in range(60)]
    refused = visit(server)
    elsewhere = visit(server, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})

    assert set(statuses) == {201}
    body = problem(refused, 429, "rate_limited")
    assert (body["scope"], body["limit"]) == ("rate", 60)
    assert 1 <= int(refused.headers["Retry-After"]) <= 61  # a whole window, rounded up
    assert elsewhere.status_code == 201


def test_a_foreign_page_gets_no_token(server: Server) -> None:
    response = visit(server, headers={"Origin": "https://evil.example"})

    problem(response, 403, "forbidden")
    assert "Set-Cookie" not in response.headers
