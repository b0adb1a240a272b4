"""One real server for the tests that do not hurt it, with each of the two drivers of a stream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.client import Client
from tests.system.server import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "system" in item.path.parts:
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session", params=[False, True], ids=["wsgi", "socket"])
def socket_driver(request: pytest.FixtureRequest) -> bool:
    """Whether streams write their sockets themselves: what is promised of streams is promised of both drivers."""
    driver: bool = request.param
    return driver


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, socket_driver: bool) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), socket_driver=socket_driver) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.base)
