"""Flusher: when it pumps, and for how long it holds events back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from assistant.turn import PAUSE
from assistant.web.writer import Flusher, SocketWriter


def news(flusher: Flusher, stream: Any) -> None:
    """Wakes a stand-in for a stream as its viewer wakes it."""
    stream._flusher = flusher
    SocketWriter.wake(stream)


def test_one_stream_that_breaks_the_flush_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def pump(self) -> None:
            raise MemoryError

    class Counting:
        pumped = 0

        def pump(self) -> None:
            self.pumped += 1

    hub = gevent.get_hub()
    monkeypatch.setattr(hub, "handle_error", lambda *_: None)
    flusher, other = Flusher(), Counting()

    news(flusher, Broken())
    news(flusher, other)
    gevent.sleep(0.01)
    news(flusher, other)
    gevent.sleep(0.01)

    assert other.pumped == 2


class ScriptedLoop:
    """Calls when told, and shows which pauses were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[partial[None]] = []
        self.pauses: list[float] = []

    def call(self, function: Callable[..., None], *args: Any) -> None:
        self.calls.append(partial(function, *args))

    def after(self, seconds: float, function: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self.calls.append(partial(function))

    def run(self, after: float = 0.0) -> None:
        self.now += after
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@pytest.mark.parametrize(("waited", "pauses"), [(0.002, []), (0.010, [0.040]), (0.500, [0.100])])
def test_events_are_held_back_by_as_much_as_the_loop_is_behind(
    monkeypatch: pytest.MonkeyPatch, waited: float, pauses: list[float]
) -> None:
    flusher, loop = Flusher(), ScriptedLoop()
    pumped = []
    monkeypatch.setattr(flusher, "_loop", loop)
    monkeypatch.setattr("assistant.web.writer.time", SimpleNamespace(perf_counter=lambda: loop.now))
    stream = SimpleNamespace(pump=lambda: pumped.append(loop.now))

    news(flusher, stream)
    loop.run(after=waited)
    assert pumped == [waited]
    assert loop.pauses == []  # one late flush may be a single long piece of work: the next one is on its way

    news(flusher, stream)
    loop.run(after=waited)
    assert pumped == [waited, 2 * waited]
    assert loop.pauses == pytest.approx(pauses)

    news(flusher, stream)
    while len(pumped) < 3 and loop.calls:
        loop.run()
    assert len(pumped) == 3
    while loop.calls:
        loop.run()
    assert loop.pauses == pytest.approx(pauses)  # a loop that keeps up again holds nothing back


def test_a_long_flush_lets_the_loop_look_at_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    flusher, loop = Flusher(), ScriptedLoop()
    pumped = []
    monkeypatch.setattr(flusher, "_loop", loop)
    monkeypatch.setattr("assistant.web.writer.time", SimpleNamespace(perf_counter=lambda: loop.now))

    def pump() -> None:
        pumped.append(loop.now)
        loop.now += 0.002

    for _ in range(7):
        news(flusher, SimpleNamespace(pump=pump))
    loop.run()
    assert len(pumped) == 3
    loop.run()
    assert len(pumped) == 6
    loop.run()
    assert len(pumped) == 7
    assert not loop.calls


def test_who_has_more_news_during_a_long_flush_waits_for_those_who_had_none_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flusher, loop = Flusher(), ScriptedLoop()
    pumped: list[str] = []
    monkeypatch.setattr(flusher, "_loop", loop)
    monkeypatch.setattr("assistant.web.writer.time", SimpleNamespace(perf_counter=lambda: loop.now))

    def stream(name: str) -> SimpleNamespace:
        def pump() -> None:
            pumped.append(name)
            loop.now += 0.003

        return SimpleNamespace(pump=pump)

    streams = [stream(name) for name in "abcd"]
    for one in streams:
        news(flusher, one)
    loop.run()
    assert pumped == ["a", "b"]  # its time in this round is over
    news(flusher, streams[0])
    news(flusher, streams[1])

    loop.run()
    assert pumped == ["a", "b", "c", "d"]
    assert loop.pauses == [PAUSE]  # this flush is done, and the next one comes at once in a loop that keeps up
    loop.run()
    assert pumped == ["a", "b", "c", "d", "a", "b"]
    assert not loop.calls


def test_a_long_flush_counts_for_the_time_that_events_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    flusher, loop = Flusher(), ScriptedLoop()
    monkeypatch.setattr(flusher, "_loop", loop)
    monkeypatch.setattr("assistant.web.writer.time", SimpleNamespace(perf_counter=lambda: loop.now))

    def pump() -> None:
        loop.now += 0.004

    for _ in range(2):  # the second one that is late in a row holds back
        for _ in range(3):
            news(flusher, SimpleNamespace(pump=pump))
        loop.run(after=0.020)
        begun = loop.now - 2 * 0.004
        loop.run(after=0.010)

    assert loop.now + loop.pauses[-1] == pytest.approx(begun + 4 * 0.020)
