"""The command line: a token for scripts, and the contract of the routes."""

from __future__ import annotations

import json

import jwt
import pytest

from assistant.testing import SECRET
from tests.integration.routes import contract
from tests.integration.server import Server


def run(server: Server, *arguments: str) -> tuple[int, str]:
    result = server.app.test_cli_runner().invoke(args=["assistant", *arguments])
    return result.exit_code, result.output


def test_a_minted_token_is_good_for_its_user(server: Server) -> None:
    code, printed = run(server, "token", "ann")

    bearer = {"Authorization": f"Bearer {printed.strip()}"}
    request_id = server.started(user=None, headers=bearer)
    assert code == 0
    assert printed.count("\n") == 1  # a script takes the whole output
    assert server.call("GET", f"/request/{request_id}", user="ann").status_code == 200


def test_a_minted_token_lives_as_long_as_is_said(server: Server) -> None:
    _, printed = run(server, "token", "ann", "--minutes", "5")

    claims = jwt.decode(printed.strip(), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("user", ["", "a" * 256, "ann\nadmin", "ann\0"])
def test_a_user_that_no_token_can_name_is_refused(server: Server, user: str) -> None:
    code, printed = run(server, "token", user)

    assert code == 2
    assert "1 to 255 printable characters" in printed


@pytest.mark.parametrize("command", [["token", "ann"], ["ask", "Hello"]])
def test_an_app_that_makes_tokens_for_its_own_users_alone_says_so_in_a_line(server: Server, command: list[str]) -> None:
    server.app.extensions["flask-jwt-extended"].user_identity_loader(lambda user: user.id)

    code, printed = run(server, *command)

    assert code == 1
    assert printed.startswith("Error: this app makes no token for a name alone (AttributeError:")
    assert "Traceback" not in printed


@pytest.mark.parametrize("minutes", ["0", "-1", "soon"])
def test_a_life_that_is_none_is_refused(server: Server, minutes: str) -> None:
    assert run(server, "token", "ann", "--minutes", minutes)[0] == 2


def test_the_contract_is_printed_as_it_is_served(server: Server) -> None:
    code, printed = run(server, "openapi")

    assert code == 0
    assert json.loads(printed) == contract(server) == server.call("GET", "/openapi.json", user=None).json
    assert printed == json.dumps(json.loads(printed), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
