"""The real providers when nobody wants the answer any more."""

from __future__ import annotations

import gevent
import pytest

from assistant.protocols import Message
from tests.integration.asking import PROMPT, Provider, ask, until
from tests.machine import Stopwatch
from tests.scenarios import Reply
from tests.upstream import Upstream


@pytest.mark.parametrize("model", ["endless", "hang-in-text"])
def test_closing_the_stream_closes_the_connection_at_once(provider: Provider, upstream: Upstream, model: str) -> None:
    stream = provider.stream([Message("user", PROMPT)], model=model, max_tokens=50)
    next(stream)

    with Stopwatch() as since_leaving:
        stream.close()
        assert upstream.seen[0].gone.wait(2)

    assert upstream.seen[0].closed is not None
    assert since_leaving.until(upstream.seen[0].closed) <= 0.25


class Stopped(BaseException):
    """Stands for what the runner throws into a greenlet that waits."""


@pytest.mark.parametrize("model", ["hang", "hang-open", "hang-in-text"])
def test_a_stop_thrown_into_the_wait_closes_the_connection_at_once(
    provider: Provider, upstream: Upstream, model: str
) -> None:
    def read() -> None:
        with pytest.raises(Stopped):
            ask(provider, model)

    reader = gevent.spawn(read)
    until(lambda: bool(upstream.seen))
    gevent.sleep(0.05)

    with Stopwatch() as since_stop:
        gevent.get_hub().loop.run_callback(lambda: reader.throw(Stopped()))
        reader.get(timeout=2)
        assert upstream.seen[0].gone.wait(2)

    assert upstream.seen[0].closed is not None
    assert since_stop.until(upstream.seen[0].closed) <= 0.25


def test_a_stop_between_two_tries_ends_the_tries(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "0.4"}))
    reader = gevent.spawn(ask, provider, "ok")
    until(lambda: bool(upstream.seen))

    reader.kill()
    gevent.sleep(0.6)

    assert len(upstream.seen) == 1
