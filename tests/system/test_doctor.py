"""The doctor on the way to a real server: what proxies do to streams is planted, and found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.cli import ScriptInfo

from assistant.cli.doctor import doctor, wire
from tests.system import meddler
from tests.system.client import token
from tests.system.meddler import Meddler
from tests.system.server import Server


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("doctor"), diagnosis=1, heartbeat=2) as server:
        yield server


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No app is beside the doctor: the server alone is looked at."""
    monkeypatch.chdir(tmp_path)


def visit(base: str, *arguments: str, user: str = "doctor") -> tuple[int, dict[str, Any]]:
    """The exit code and the report."""
    given = ["--url", f"{base}/assistant", "--json", *(["--token", token(user)] if user else []), *arguments]
    result = CliRunner().invoke(doctor, given, obj=ScriptInfo())
    return result.exit_code, json.loads(result.stdout)


def codes(report: dict[str, Any]) -> set[str]:
    return {one["code"] for one in report["findings"]}


def test_a_good_way_is_not_spoken_of(watched: Server) -> None:
    code, report = visit(watched.base)

    assert (code, report) == (0, {"sound": True, "findings": [], "skipped": []})


def test_a_proxy_that_only_passes_on_is_not_spoken_of(watched: Server) -> None:
    with Meddler(watched.port) as proxy:
        assert visit(proxy.base) == (0, {"sound": True, "findings": [], "skipped": []})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (meddler.buffering, "buffered"),
        (meddler.without_heartbeats, "heartbeat_lost"),
        (meddler.compressing, "compressed"),
        (meddler.granting, "open_cors"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_a_proxy_does_to_streams_is_found(watched: Server, change: Any, code: str) -> None:
    with Meddler(watched.port, change=change) as proxy:
        exit_code, report = visit(proxy.base)

    assert exit_code == 1
    assert codes(report) == {code}


def test_an_idle_limit_below_the_heartbeat_is_found(watched: Server) -> None:
    with Meddler(watched.port, idle=1.0) as proxy:
        exit_code, report = visit(proxy.base)

    assert (exit_code, codes(report)) == (1, {"idle_cut"})


def test_several_processes_with_registries_of_their_own_are_found(tmp_path: Path, watched: Server) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(Server(tmp_path, diagnosis=1, heartbeat=2))
        proxy = stack.enter_context(Meddler(watched.port, other.port))
        exit_code, report = visit(proxy.base)

    assert exit_code == 1
    assert "memory_registry" in codes(report)
    assert "2 processes" in next(one["what"] for one in report["findings"] if one["code"] == "memory_registry")


def test_on_a_public_address_guests_and_plain_http_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "loopback", lambda _: False)
    with Server(tmp_path, guests=1, diagnosis=1, heartbeat=2) as server:
        exit_code, report = visit(server.base)

    assert (exit_code, codes(report)) == (1, {"no_tls", "public_guests"})


def test_a_server_that_is_not_there_is_a_finding() -> None:
    exit_code, report = visit("http://127.0.0.1:9")

    assert (exit_code, codes(report)) == (1, {"unreachable"})


def test_a_token_that_is_refused_is_a_finding(watched: Server) -> None:
    exit_code, report = visit(watched.base, "--token", "nonsense", user="")

    assert (exit_code, codes(report)) == (1, {"refused"})


def test_without_its_mode_the_doctor_says_what_it_has_not_looked_at(server: Server) -> None:
    exit_code, report = visit(server.base)

    assert (exit_code, report["findings"]) == (0, [])
    assert "ASSISTANT_DIAGNOSIS" in report["skipped"][0]


def test_any_mode_can_be_measured(server: Server) -> None:
    exit_code, report = visit(server.base, "--mode", "count")

    assert (exit_code, report["findings"]) == (0, [])
    assert "too quickly" in report["skipped"][0]
