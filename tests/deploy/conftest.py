"""One app behind one nginx for these tests, and a stream through both that takes over a minute.

The long stream is opened with the first test that needs the site and looked at by the last test of the whole run, so that
its minute passes while others work.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.curl import Curl
from tests.deploy.nginx import Nginx
from tests.system.server import Server

# Pieces 2 s apart, then a silence as long as the limit that most proxies have: 60 s and more in all; seconds.
PAUSES = [0.0, 2.0, 2.0, 2.0, 2.0, 55.0]
LAST = "test_an_answer_of_a_minute_arrives_whole_on_one_connection"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


@dataclass
class LongAnswer:
    process: subprocess.Popen[bytes]
    came: Path


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"rates": "steps=100000/minute,slow=100000/minute", "proxies": 1, "guests": 1}
    with Server(tmp_path_factory.mktemp("app"), "tests.deploy.app:app", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def own_site(behind: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), behind.port) as running:
        yield running


@pytest.fixture(scope="session")
def long_answer(own_site: Nginx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongAnswer]:
    curl, came = Curl(own_site, "patient"), tmp_path_factory.mktemp("long") / "stream"
    command = curl.command(
        f"/assistant/stream/{curl.submit('slow', pauses=PAUSES)}", "--no-buffer", "--max-time", "100"
    )
    with came.open("wb") as file, subprocess.Popen(command, stdout=file) as process:
        yield LongAnswer(process, came)
        process.kill()


@pytest.fixture(scope="session")
def site(own_site: Nginx, long_answer: LongAnswer) -> Nginx:
    return own_site
