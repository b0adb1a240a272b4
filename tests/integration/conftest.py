"""Servers for the tests of this folder; each is closed when its test ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from assistant.observability.logs import JsonFormatter
from tests.integration.asking import Provider, talking
from tests.integration.server import Server
from tests.upstream import Upstream

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes servers; see Server for what it takes."""
    servers: list[Server] = []

    def make(*script: object, **options: object) -> Server:
        servers.append(Server(*script, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(start: Start) -> Server:
    """A server with its defaults, and guests."""
    return start(ASSISTANT_GUESTS=True)


class Written(logging.Handler):
    """Every line that any logger writes, as the server would write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def written() -> Iterator[Written]:
    handler = Written()
    loggers = [logging.getLogger(), logging.getLogger("assistant")]  # ours does not hand its lines on
    levels = [one.level for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.DEBUG)
    yield handler
    for one, level in zip(loggers, levels, strict=True):
        one.removeHandler(handler)
        one.setLevel(level)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A scripted model server."""
    with Upstream() as server:
        yield server


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[Provider]:
    """Each of the real providers, talking to `upstream`."""
    with talking(request.param, upstream.url) as one:
        yield one
