"""What is settled at the start, and the team's own login in place of tokens."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, request
from flask_jwt_extended import JWTManager

from assistant import Assistant, create_app
from assistant.config import ConfigError
from assistant.testing import SECRET
from tests.integration.conftest import Start
from tests.integration.forge import Forge, private_pem, rs256
from tests.integration.routes import secured
from tests.integration.server import Server, problem


@pytest.fixture(scope="module")
def keys() -> Forge:
    return rs256()


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"JWT_SECRET_KEY": "short"}, "JWT_SECRET_KEY needs at least 32 bytes"),
        ({"JWT_SECRET_KEY": "x" * 31}, "JWT_SECRET_KEY needs at least 32 bytes"),
        ({"JWT_SECRET_KEY": None, "SECRET_KEY": "dev"}, "JWT_SECRET_KEY needs at least 32 bytes"),
        ({"JWT_ALGORITHM": "RS256"}, "needs JWT_PUBLIC_KEY"),
        ({"JWT_ALGORITHM": "none", "JWT_PUBLIC_KEY": "x"}, "use HS256 or RS256"),
        ({"ASSISTANT_RATES": "chat=lots"}, "chat=lots is no rate"),
        ({"ASSISTANT_RATES": "chat=60/minute,own=-1/day"}, "own=-1/day is no rate"),
    ],
)
def test_a_login_that_anyone_could_forge_stops_the_start_in_one_line(config: Any, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Server(**config)

    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_start_refused_for_its_secret_does_not_tell_it() -> None:
    with pytest.raises(ConfigError) as refused:
        Server(JWT_SECRET_KEY="a-weak-one")

    assert "a-weak-one" not in str(refused.value)


def test_a_length_of_a_secret_is_counted_in_bytes() -> None:
    Server(JWT_SECRET_KEY="é" * 16)


def test_a_key_from_the_environment_is_a_text_and_goes_before_the_config(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", "1" * 40)
    monkeypatch.setenv("JWT_DECODE_LEEWAY", "7")

    server = start()

    assert server.app.config["JWT_SECRET_KEY"] == "1" * 40
    assert server.app.config["JWT_DECODE_LEEWAY"] == 7
    assert server.post().status_code == 201


def test_a_single_host_keeps_a_secret_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    first = create_app(instance_path=str(tmp_path / "instance"))
    second = create_app(instance_path=str(tmp_path / "instance"))

    file = tmp_path / "instance" / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text()) >= 32
    assert first.config["JWT_SECRET_KEY"] == second.config["JWT_SECRET_KEY"] == file.read_text()


def test_no_secret_is_made_where_there_is_one_or_none_is_needed(tmp_path: Path) -> None:
    create_app({"JWT_SECRET_KEY": SECRET}, instance_path=str(tmp_path))
    create_app(assistant=Assistant(identify=lambda: None), instance_path=str(tmp_path))

    assert not list(tmp_path.iterdir())


def test_an_empty_secret_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()

    with pytest.raises(ConfigError, match="remove it and start again"):
        create_app(instance_path=str(tmp_path))


def test_guests_under_rs256_need_a_key_to_sign_with(keys: Forge) -> None:
    with pytest.raises(ConfigError, match="needs JWT_PRIVATE_KEY"):
        Server(JWT_ALGORITHM="RS256", JWT_PUBLIC_KEY=keys.public_pem().decode(), ASSISTANT_GUESTS=True)


def test_an_app_with_rotating_keys_of_its_own_needs_no_secret() -> None:
    app = Flask("host")
    JWTManager(app).decode_key_loader(lambda header, claims: {"a": SECRET}[header["kid"]])

    Assistant(app)


def test_a_whole_request_under_rs256(start: Start, keys: Forge) -> None:
    server = start(
        "Hello.",
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=keys.public_pem().decode(),
        JWT_PRIVATE_KEY=private_pem(keys),
    )

    events = server.events(server.started())

    assert events[-1].json()["text"] == "Hello."


def test_identify_replaces_tokens_on_every_route(start: Start) -> None:
    server = start(identify=lambda: request.headers.get("X-User"), JWT_SECRET_KEY=None)

    request_id = server.started(user=None, headers={"X-User": "ann"})
    server.finished()

    for route in secured(server):
        here = route.at(request_id)
        as_ann = server.call(route.method, here, user=None, headers={"X-User": "ann"}, json=route.body)
        as_eve = server.call(route.method, here, user=None, headers={"X-User": "eve"}, json=route.body)
        as_nobody = server.call(route.method, here, user=None, json=route.body)
        assert as_nobody.status_code == 401, route
        assert as_eve.status_code == (404 if route.names else as_ann.status_code), route
        assert as_ann.status_code != 401, route


@pytest.mark.parametrize("user", [42, "", "ann\0", "ann\n", "a" * 256, b"ann", True], ids=repr)
def test_an_identity_that_cannot_be_a_key_is_nobody(start: Start, user: Any) -> None:
    server = start(identify=lambda: user)

    problem(server.post(user=None), 401, "unauthorized")


def test_an_identify_that_fails_is_a_503_like_every_login_that_cannot_be_checked(start: Start) -> None:
    def broken() -> str:
        raise ConnectionError("the user database at 10.0.0.9 is away")

    server = start(identify=broken)

    response = server.post(user=None)

    assert problem(response, 503, "store_unavailable")["retry_after"] == 5
    assert "10.0.0.9" not in response.text


def test_an_identify_may_refuse_in_its_own_way(start: Start) -> None:
    server = start(identify=lambda: abort(403))

    problem(server.post(user=None), 403, "forbidden")


def test_a_login_by_cookie_names_the_page_that_calls(start: Start) -> None:
    server = start(identify=lambda: request.cookies.get("session_user"))
    cookie = {"Cookie": "session_user=ann"}

    without = server.post(user=None, headers=cookie)
    foreign = server.post(user=None, headers={**cookie, "Origin": "https://evil.example"})
    own = server.post(user=None, headers={**cookie, "Origin": "http://localhost"})

    problem(without, 403, "forbidden")
    problem(foreign, 403, "forbidden")
    assert own.status_code == 201
    assert server.call("GET", "/requests", user=None, headers=cookie).status_code == 200  # reading changes nothing


def test_a_custom_identity_claim_of_the_app_is_used(start: Start) -> None:
    server = start(JWT_IDENTITY_CLAIM="uid")

    assert server.post(user="ann").status_code == 201
