"""Schemathesis, an independent tester of OpenAPI documents, against the running server: no failure and no 5xx.

It tries the edges of every parameter and body, wrong types, missing logins, other methods, and chains of requests, from a
fixed seed. What is not asked of it, and why, stands in schemathesis.toml.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.client import token
from tests.system.server import Server

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
SEED, EXAMPLES = 20261125, 15
# The rates of every mode that is asked for, far above what is sent.
RATES = ",".join(f"{mode}=1000000/minute" for mode in ("chat", "edit", "generate", "steps", "slow"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"rates": RATES, "guests": 1, "devtools": 0}
    with Server(tmp_path_factory.mktemp("fuzzed"), "tests.deploy.app:app", **settings) as running:
        yield running


def test_nothing_that_the_document_allows_or_forbids_is_a_failure(server: Server, tmp_path: Path) -> None:
    st = Path(sys.executable).parent / "st"
    login = f"Authorization: Bearer {token('ann')}"
    command = [
        str(st),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"{server.base}/assistant/openapi.json",
    ]
    command += ["--url", server.base, "--header", login, "--seed", str(SEED), "--max-examples", str(EXAMPLES)]

    done = subprocess.run(
        [*command, "--continue-on-failure", "--request-timeout", "30"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "Tested: " in done.stdout


def test_the_tester_sees_what_is_wrong(tmp_path: Path, server: Server) -> None:
    """The same tester with a document that promises what the server does not do: it must fail."""
    lying = tmp_path / "lying.json"
    lying.write_text(
        '{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {"/healthz": {"get": {"responses": {"200":'
        ' {"description": "", "content": {"application/json": {"schema": {"required": ["missing"]}}}}}}}}}'
    )
    st = Path(sys.executable).parent / "st"

    done = subprocess.run(
        [str(st), "run", str(lying), "--url", server.base, "--max-examples", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "missing" in done.stdout
