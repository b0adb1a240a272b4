"""Which pages may call: the server's own, and those that ASSISTANT_ORIGINS names."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from assistant.config import ConfigError
from tests.integration.conftest import Start
from tests.integration.routes import routes
from tests.integration.server import Server, problem

TRUSTED = "https://app.example.com"
FOREIGN = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://appXexample.com",
    "https://APP.example.com/",
    "null",
    "",
    "http://localhost.evil.example",
    "http://localhost:81",
    "http://localhost@evil.example",
    "localhost",
    "http://[",
    "http://[::1",
    "\xff",
    "x" * 100_000,
]


@pytest.fixture
def open_to_one(start: Start) -> Server:
    return start(ASSISTANT_ORIGINS=TRUSTED, JWT_TOKEN_LOCATION=["headers", "cookies"], JWT_COOKIE_CSRF_PROTECT=False)


def by_cookie(server: Server, method: str, path: str, origin: str | None, **options: Any) -> TestResponse:
    token = server.bearer()["Authorization"].removeprefix("Bearer ")
    headers = {"Cookie": f"access_token_cookie={token}"} | ({} if origin is None else {"Origin": origin})
    return server.call(method, path, user=None, headers=headers, **options)


@pytest.mark.parametrize("origin", [None, *FOREIGN], ids=lambda origin: str(origin)[:40])
def test_a_login_by_cookie_changes_nothing_for_a_foreign_page(open_to_one: Server, origin: str | None) -> None:
    request_id = open_to_one.started()

    for method, path, body in (
        ("POST", "/request", {"prompt": "Hello", "mode": "chat"}),
        ("DELETE", f"/request/{request_id}", None),
        ("POST", f"/request/{request_id}/actions/act-1", {"status": "denied"}),
    ):
        problem(by_cookie(open_to_one, method, path, origin, json=body), 403, "forbidden")


@pytest.mark.parametrize("origin", ["http://localhost", TRUSTED])
def test_a_login_by_cookie_works_for_our_own_and_for_named_pages(open_to_one: Server, origin: str) -> None:
    response = by_cookie(open_to_one, "POST", "/request", origin, json={"prompt": "Hello", "mode": "chat"})

    assert response.status_code == 201


def test_a_token_in_the_header_is_proof_enough(server: Server) -> None:
    assert server.post(headers={"Origin": "https://evil.example"}).status_code == 201


def _granted(response: TestResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers if name.startswith("Access-Control-")}


def test_no_page_elsewhere_is_answered_unless_it_is_named(server: Server) -> None:
    for route in routes(server):
        ask = {"Origin": TRUSTED, "Access-Control-Request-Method": route.method}

        assert not _granted(server.call("OPTIONS", route.at("x"), user=None, headers=ask)), route
        assert not _granted(server.call(route.method, route.at("x"), headers={"Origin": TRUSTED}, json=route.body)), (
            route
        )


def test_a_named_page_may_ask_with_its_login(open_to_one: Server) -> None:
    ask = {
        "Origin": TRUSTED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, last-event-id, traceparent",
    }

    response = open_to_one.call("OPTIONS", "/request", user=None, headers=ask)

    granted = _granted(response)
    assert response.status_code == 200
    assert granted["Access-Control-Allow-Origin"] == TRUSTED
    assert granted["Access-Control-Allow-Credentials"] == "true"
    assert {one.strip().lower() for one in granted["Access-Control-Allow-Headers"].split(",")} >= {
        "authorization",
        "content-type",
        "idempotency-key",
        "last-event-id",
        "traceparent",
    }
    assert "POST" in granted["Access-Control-Allow-Methods"]


def test_a_named_page_may_read_answers_and_refusals(open_to_one: Server) -> None:
    answer = open_to_one.post(headers={"Origin": TRUSTED})
    refusal = open_to_one.post(user=None, headers={"Origin": TRUSTED})
    stream = open_to_one.call("GET", f"/stream/{answer.json['request_id']}", headers={"Origin": TRUSTED})

    for response in (answer, refusal, stream):
        assert _granted(response)["Access-Control-Allow-Origin"] == TRUSTED
        exposed = _granted(response)["Access-Control-Expose-Headers"]
        assert {"Assistant-Instance", "Location", "Retry-After"} <= {one.strip() for one in exposed.split(",")}


@pytest.mark.parametrize("origin", FOREIGN, ids=lambda origin: origin[:40])
def test_a_page_that_only_looks_like_a_named_one_may_read_nothing(open_to_one: Server, origin: str) -> None:
    ask = {"Origin": origin, "Access-Control-Request-Method": "POST"}

    assert "Access-Control-Allow-Origin" not in open_to_one.call("OPTIONS", "/request", user=None, headers=ask).headers
    assert "Access-Control-Allow-Origin" not in open_to_one.post(headers={"Origin": origin}).headers


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        f"{TRUSTED},*",
        "https://*.example.com",
        "https://.*",
        "app.example.com",
        "null",
        f"{TRUSTED}/path",
        "https://",
    ],
)
def test_an_origin_that_is_not_one_page_stops_the_start(origins: str) -> None:
    with pytest.raises(ConfigError, match="ASSISTANT_ORIGINS"):
        Server(ASSISTANT_ORIGINS=origins)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/csp-report", ""]
)
def test_what_a_page_may_send_without_asking_is_refused(server: Server, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}

    response = server.call("POST", "/request", headers=headers, data='{"prompt":"Hello","mode":"chat"}')

    problem(response, 415, "unsupported_media_type")
