"""What a browser is told about answers that are no page: their kind is what they say, and they stand in no frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from assistant.testing import make_app

POLICY = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    made = make_app()
    made.extensions["assistant"].janitor.ensure()  # before the first test, which would seem to have left it behind
    yield made
    made.extensions["assistant"].janitor.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/assistant/openapi.json", 200),
        ("POST", "/assistant/session", 201),
        ("POST", "/assistant/request", 401),
        ("GET", "/assistant/requests", 401),
        ("DELETE", "/healthz", 405),
        ("GET", "/no-such-page", 404),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(app: Flask, method: str, path: str, status: int) -> None:
    response = app.test_client().open(path, method=method)

    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "Server" not in response.headers or "/" not in response.headers["Server"]


@pytest.mark.parametrize("path", ["/assistant/session", "/no-such-page"])
def test_what_is_one_users_is_kept_by_nobody(app: Flask, path: str) -> None:
    assert app.test_client().post(path).headers["Cache-Control"] == "no-store"


def test_a_page_of_the_app_keeps_its_own_policy(app: Flask) -> None:
    made = make_app()

    @made.get("/own")
    def own() -> tuple[str, dict[str, str]]:
        return "<p>", {"Content-Security-Policy": "default-src 'self'"}

    assert made.test_client().get("/own").headers["Content-Security-Policy"] == "default-src 'self'"
