"""RFC 8725 as a table: every bad token gets one and the same answer, on every route, by header and by cookie."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWKSetError
from werkzeug.test import TestResponse

from assistant.web.state import this_request
from tests.integration.conftest import Written
from tests.integration.forge import AUDIENCE, CSRF, FORGED, ISSUER, KID, LEEWAY, REVOKED, Forge, hs256, rs256
from tests.integration.routes import Route, secured
from tests.integration.server import Server, problem

Refusal = tuple[int, dict[str, str], bytes]

POST = Route("POST", "/assistant/request", {"prompt": "Hello", "mode": "chat"}, True, ())


class Bank:
    """A server that finds its keys by their names, has an audience, an issuer and a list of revoked tokens."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.server = Server(
            SECRET_KEY="a-secret-for-sessions-that-is-long-enough",
            JWT_SECRET_KEY=None,
            JWT_ALGORITHM=forge.alg,
            JWT_PUBLIC_KEY=forge.public_pem().decode() if forge.alg == "RS256" else None,
            JWT_TOKEN_LOCATION=["headers", "cookies"],
            JWT_DECODE_AUDIENCE=AUDIENCE,
            JWT_DECODE_ISSUER=ISSUER,
            JWT_DECODE_LEEWAY=LEEWAY,
        )
        self.server.web.janitor.ensure()  # before the first test, which would seem to have left it behind
        self.keys = {KID: forge.public}
        self.manager: Any = self.server.app.extensions["flask-jwt-extended"]
        self.manager.decode_key_loader(lambda header, claims: self.keys[header["kid"]])
        self.manager.token_in_blocklist_loader(lambda header, claims: claims["jti"] == REVOKED)
        self._refusals: dict[tuple[str, str], Refusal] = {}
        self.request_id = "none yet"
        self.request_id = self.by_header(POST, forge.token()).json["request_id"]
        self.server.finished()

    def by_header(self, route: Route, token: str) -> TestResponse:
        return self.call(route, {"Authorization": f"Bearer {token}"})

    def by_cookie(self, route: Route, token: str, **headers: str) -> TestResponse:
        """With all that a cookie needs: the page's origin, and its proof against forgery."""
        proof = {"X-CSRF-TOKEN": CSRF, "Origin": "http://localhost"} | headers
        return self.call(route, {"Cookie": f"access_token_cookie={token}", **proof})

    def call(self, route: Route, headers: Any) -> TestResponse:
        return self.server.call(route.method, route.at(self.request_id), user=None, headers=headers, json=route.body)

    def refusal(self, route: Route) -> Refusal:
        """How the route answers to nobody."""
        name = (route.method, route.path)
        if name not in self._refusals:
            self._refusals[name] = refusal(self.call(route, {}))
        return self._refusals[name]


@pytest.fixture(scope="module", params=[hs256, rs256])
def bank(request: pytest.FixtureRequest) -> Iterator[Bank]:
    made = Bank(request.param())
    yield made
    made.server.close()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"a token made the server look for {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def refusal(response: TestResponse) -> Refusal:
    return response.status_code, dict(response.headers), response.data


def test_the_routes_that_need_a_login_are_known(bank: Bank) -> None:
    found = {(route.method, route.path) for route in secured(bank.server)}

    assert {
        ("POST", "/assistant/request"),
        ("GET", "/assistant/request/{request_id}"),
        ("DELETE", "/assistant/request/{request_id}"),
        ("POST", "/assistant/request/{request_id}/actions/{action_id}"),
        ("GET", "/assistant/requests"),
        ("GET", "/assistant/stream/{request_id}"),
    } <= found


def test_a_good_token_opens_every_route_by_header_and_by_cookie(bank: Bank) -> None:
    for route in secured(bank.server):
        for ask in (bank.by_header, bank.by_cookie):
            response = ask(route, bank.forge.token())

            expected = 404 if "action_id" in route.names else (200, 201, 204)
            assert response.status_code in (expected if isinstance(expected, tuple) else (expected,)), route


def test_no_token_is_one_problem_that_says_how_to_log_in(bank: Bank) -> None:
    response = bank.call(POST, {})

    body = problem(response, 401, "unauthorized")
    assert body["kind"] == "auth"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("place", ["header", "cookie"])
@pytest.mark.parametrize("name", FORGED)
@pytest.mark.usefixtures("no_network")
def test_a_bad_token_is_as_good_as_none_on_every_route(bank: Bank, name: str, place: str) -> None:
    token = FORGED[name](bank.forge)
    ask = bank.by_header if place == "header" else bank.by_cookie

    for route in secured(bank.server):
        assert refusal(ask(route, token)) == bank.refusal(route), route
        assert bank.refusal(route)[0] == 401


ODD_HEADERS: dict[str, Any] = {
    "two headers": lambda good: [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
    "two tokens": lambda good: {"Authorization": f"Bearer {good}, Bearer {good}"},
    "a trailing comma": lambda good: {"Authorization": f"Bearer {good},"},
    "no token": lambda good: {"Authorization": "Bearer"},
    "spaces only": lambda good: {"Authorization": "   "},
    "a word too many": lambda good: {"Authorization": f"Bearer {good} {good}"},
    "no scheme": lambda good: {"Authorization": good},
    "another scheme": lambda good: {"Authorization": f"Basic {good}"},
    "odd bytes": lambda good: {"Authorization": "Bearer \xe9\xff.\xe9.\xe9"},
    "another header": lambda good: {"X-Authorization": f"Bearer {good}"},
    "a refresh cookie": lambda good: {"Cookie": f"refresh_token_cookie={good}"},
}


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_a_good_token_in_an_odd_header_is_refused_on_every_route(bank: Bank, name: str) -> None:
    headers = ODD_HEADERS[name](bank.forge.token())

    for route in secured(bank.server):
        assert refusal(bank.call(route, headers)) == bank.refusal(route), route


def test_a_token_in_the_address_or_in_the_body_is_not_looked_at(bank: Bank) -> None:
    token = bank.forge.token()

    in_address = bank.server.call("GET", f"/requests?jwt={token}&access_token={token}", user=None)
    in_body = bank.server.call("POST", "/request", user=None, json={**POST.body, "access_token": token})

    assert (in_address.status_code, in_body.status_code) == (401, 401)


@pytest.mark.parametrize("proof", [None, "", "another", "\xe9"], ids=["none", "empty", "another", "odd bytes"])
def test_a_cookie_without_its_proof_does_nothing(bank: Bank, proof: str | None) -> None:
    headers = {"Origin": "http://localhost", "Cookie": f"access_token_cookie={bank.forge.token()}"}
    if proof is not None:
        headers["X-CSRF-TOKEN"] = proof

    for route in (route for route in secured(bank.server) if route.unsafe):
        assert refusal(bank.call(route, headers)) == bank.refusal(route), route


def test_the_header_goes_before_the_cookie(bank: Bank) -> None:
    response = bank.call(
        Route("GET", "/assistant/requests", None, True, ()),
        {
            "Authorization": f"Bearer {bank.forge.token(sub='eve')}",
            "Cookie": f"access_token_cookie={bank.forge.token()}",
        },
    )

    assert response.json == {"requests": []}  # eve's, not ann's


GOOD: dict[str, Any] = {
    "expired within the leeway": lambda f: f.token(exp=int(time.time()) - LEEWAY + 6),
    "nbf within the leeway": lambda f: f.token(nbf=int(time.time()) + LEEWAY - 4),
    "a list of auds with ours": lambda f: f.token(aud=["billing", AUDIENCE]),
    "typ at+jwt": lambda f: f.token({"typ": "at+jwt"}),
    "no typ": lambda f: f.token({"typ": ...}),
    "no jti": lambda f: f.token(jti=...),
    "a fraction of a second": lambda f: f.token(exp=time.time() + 60.5),
    "a name in any script": lambda f: f.token(sub="Ængström 测试"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_standard_allows_is_accepted(bank: Bank, name: str) -> None:
    response = bank.by_header(Route("GET", "/assistant/requests", None, True, ()), GOOD[name](bank.forge))

    assert response.status_code == 200


def test_an_old_key_is_good_until_the_app_forgets_it(bank: Bank) -> None:
    route = Route("GET", "/assistant/requests", None, True, ())
    old = bank.forge.token({"kid": "2026-10"})
    bank.keys["2026-10"] = bank.forge.public

    before = bank.by_header(route, old)
    del bank.keys["2026-10"]
    after = bank.by_header(route, old)

    assert (before.status_code, after.status_code) == (200, 401)
    assert bank.by_header(route, bank.forge.token()).status_code == 200


def _unreachable(*_: Any) -> Any:
    raise ConnectionError("the key server is away")


@pytest.mark.parametrize("loader", ["_decode_key_callback", "_token_in_blocklist_callback", "_user_lookup_callback"])
def test_a_loader_of_the_app_that_fails_is_a_503_that_may_be_tried_again(
    bank: Bank, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank.manager, loader, _unreachable)

    for route in secured(bank.server):
        response = bank.by_header(route, bank.forge.token())

        assert (response.status_code, response.headers["Retry-After"]) == (503, "5"), route
        if route.method != "HEAD":
            assert problem(response, 503, "store_unavailable")["retryable"]
            assert "key server" not in response.text


def _raises(problem: BaseException) -> Any:
    def loader(*_: Any) -> Any:
        raise problem

    return loader


FAULTS_OF_THE_LOADER: dict[str, BaseException] = {
    "its own setting is missing": KeyError("KEYS_FOLDER"),
    "its own list is short": IndexError("list index out of range"),
    "its key server is away": PyJWKClientConnectionError("Fail to fetch data from the url"),
    "its key server has no keys": PyJWKSetError("The JWK Set did not contain any keys"),
}


@pytest.mark.parametrize("name", FAULTS_OF_THE_LOADER)
@pytest.mark.parametrize("place", ["header", "cookie"])
def test_a_fault_of_a_key_loader_is_not_blamed_on_the_token(
    bank: Bank, name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank.manager, "_decode_key_callback", _raises(FAULTS_OF_THE_LOADER[name]))
    ask = bank.by_header if place == "header" else bank.by_cookie

    problem(ask(POST, bank.forge.token()), 503, "store_unavailable")


TABLES_WITHOUT_AN_ENTRY: dict[str, Any] = {
    "by kid": lambda header, claims: {}[header["kid"]],
    "by kid, which it lacks": lambda header, claims: header["kid"],
    "by issuer": lambda header, claims: {}[claims["iss"]],
    "a key set": lambda header, claims: _raises(KeyError(f"keyset has no key for kid: {header['kid']}"))(),
    "a key client": _raises(PyJWKClientError('Unable to find a signing key that matches: "2026-11"')),
}


@pytest.mark.parametrize("name", TABLES_WITHOUT_AN_ENTRY)
@pytest.mark.parametrize("place", ["header", "cookie"])
def test_a_token_that_names_no_key_of_the_apps_is_refused(
    bank: Bank, name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank.manager, "_decode_key_callback", TABLES_WITHOUT_AN_ENTRY[name])
    ask = bank.by_header if place == "header" else bank.by_cookie

    response = ask(POST, bank.forge.token({"kid": ...} if "lacks" in name else None))

    assert refusal(response) == bank.refusal(POST)


def test_a_user_whom_the_app_does_not_know_is_nobody(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank.manager, "_user_lookup_callback", lambda header, claims: None)

    assert bank.by_header(POST, bank.forge.token()).status_code == 401


def test_no_part_of_a_token_is_ever_written_down(bank: Bank, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    good = bank.forge.token()
    tokens = [good, *(token for recipe in FORGED.values() if len(token := recipe(bank.forge)) < 20_000)]

    for token in tokens:
        bank.by_header(POST, token)
        bank.by_cookie(POST, token)
    bank.server.finished()
    monkeypatch.setattr(bank.manager, "_decode_key_callback", _unreachable)
    bank.by_header(POST, good)
    gevent.sleep(0)

    assert "a login could not be checked" in written.text
    assert "request.rejected" in written.text
    parts = {part for token in tokens for part in token.split(".") if len(part) > 16}
    assert not [part for part in parts if part in written.text]


@pytest.mark.parametrize(("left", "open_for"), [(300, 300), (3, 3), (-4, LEEWAY - 4)])
def test_a_stream_may_stay_open_as_long_as_its_token_is_good(bank: Bank, left: int, open_for: int) -> None:
    headers = {"Authorization": f"Bearer {bank.forge.token(exp=int(time.time()) + left)}"}

    with bank.server.app.test_request_context("/assistant/requests", headers=headers):
        caller = bank.server.web.auth.caller(this_request())

    assert caller.token_ends is not None
    assert caller.token_ends - time.monotonic() == pytest.approx(open_for, abs=1.5)
