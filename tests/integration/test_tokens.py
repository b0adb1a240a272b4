"""A remembered token lets nobody in whom a check would refuse."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g, request
from flask_jwt_extended import JWTManager, create_access_token, decode_token

from assistant import Assistant
from assistant.config import Settings
from assistant.errors import AssistantError, RateLimited
from assistant.testing import SECRET, ScriptedProvider
from assistant.web.limits import Limits
from assistant.web.state import this_request


def app_with(manager: JWTManager | None = None, **config: Any) -> Flask:
    app = Flask("team")
    app.config.update({"JWT_SECRET_KEY": SECRET, "TESTING": True, **config})
    (manager or JWTManager()).init_app(app)
    Assistant(app, provider=ScriptedProvider())
    return app


def token(app: Flask, user: str, **options: Any) -> str:
    with app.app_context():
        made: str = create_access_token(user, **options)
    return made


def who(app: Flask, **headers: str) -> str | int:
    """The user that a request is taken for, or the status of its refusal."""
    with app.test_request_context(headers={name.replace("_", "-"): value for name, value in headers.items()}):
        try:
            return str(app.extensions["assistant"].auth.caller(this_request()).user_id)
        except AssistantError as refusal:
            return refusal.status


def test_the_header_that_the_app_names_is_the_one_that_counts() -> None:
    app = app_with(JWT_HEADER_NAME="X-Token")
    ann, bob = (f"Bearer {token(app, user)}" for user in ("ann", "bob"))
    same = "Basic dGVhbTpzZWNyZXQ="

    seen = [who(app, Authorization=same, X_Token=one) for one in (ann, bob, "Bearer garbage")]

    assert seen == ["ann", "bob", 401]
    assert who(app, Authorization=same) == 401


def test_what_a_callback_changes_is_gone_with_the_request() -> None:
    manager = JWTManager()

    @manager.token_verification_loader
    def act_as(_: Any, claims: dict[str, Any]) -> bool:
        claims["sub"] = request.headers.get("X-As", claims["sub"])
        return True

    app = app_with(manager)
    ann = f"Bearer {token(app, 'ann')}"

    assert [who(app, Authorization=ann, X_As="other"), who(app, Authorization=ann)] == ["other", "ann"]


def test_a_token_that_is_revoked_later_is_refused_from_then_on() -> None:
    manager, revoked = JWTManager(), set()

    @manager.token_in_blocklist_loader
    def blocked(_: Any, claims: dict[str, Any]) -> bool:
        return claims["jti"] in revoked

    app = app_with(manager)
    ann = token(app, "ann")
    assert who(app, Authorization=f"Bearer {ann}") == "ann"

    with app.app_context():
        revoked.add(decode_token(ann)["jti"])

    assert who(app, Authorization=f"Bearer {ann}") == 401


@pytest.mark.parametrize(
    ("setting", "value"),
    [("JWT_SECRET_KEY", "another-secret-that-is-long-enough-too"),
     ("JWT_DECODE_ISSUER", "elsewhere"), ("JWT_DECODE_AUDIENCE", "others")],
)  # fmt: skip
def test_a_token_checked_under_other_settings_is_checked_again(setting: str, value: Any) -> None:
    app = app_with()
    ann = f"Bearer {token(app, 'ann')}"
    assert who(app, Authorization=ann) == "ann"

    app.config[setting] = value

    assert who(app, Authorization=ann) == 401


def test_a_header_field_that_json_allows_only_loosely_is_no_failure_of_ours() -> None:
    app = app_with()
    odd = token(app, "ann", additional_headers={"note": float("nan")})

    assert who(app, Authorization=f"Bearer {odd}") == "ann"


@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window", "sliding-window-counter"])
def test_every_strategy_of_the_limiter_works(strategy: str) -> None:
    app = Flask("team")
    app.config["RATELIMIT_STRATEGY"] = strategy

    limits = Limits(app, Settings(rates={"chat": "2/minute"}))

    assert "RATELIMIT_STORAGE_URI" not in app.config
    with app.test_request_context():
        g.assistant_user = "ann"
        limits.check_mode("chat")
        limits.check_mode("chat")
        with pytest.raises(RateLimited):
            limits.check_mode("chat")


def test_a_request_filter_of_the_limiter_holds_for_our_rates_too() -> None:
    app = Flask("team")
    limits = Limits(app, Settings(rates={"chat": "1/minute"}))
    (limiter,) = app.extensions["limiter"]
    limiter.request_filter(lambda: True)

    with app.test_request_context():
        for _ in range(5):
            limits.check_mode("chat")
