"""Turnstile: requests come in one after the other, and the loop goes round between them."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import gevent
import pytest

from assistant.web import turnstile as module
from assistant.web.turnstile import Turnstile
from tests.world import SOON


class Requests:
    """Greenlets that enter, each working for so many seconds of a clock that stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: float) -> None:
        self.now = 0.0
        self.work = work
        self.came: list[int] = []
        self.turned_away: list[int] = []
        self.rounds: Counter[int] = Counter()
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: self.now))
        self.turnstile = Turnstile()

    def start(self, count: int, *, new: bool = False) -> list[gevent.Greenlet]:
        return [gevent.spawn(self.one, number, new) for number in range(count)]

    def one(self, number: int, new: bool = False) -> None:
        if not self.turnstile.enter(new=new):
            self.turned_away.append(number)
            return
        self.came.append(number)
        self.rounds[gevent.get_hub().loop.iteration] += 1
        self.now += self.work


def test_a_few_come_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.001)

    gevent.joinall(requests.start(5), timeout=SOON)

    assert requests.came == [0, 1, 2, 3, 4]
    assert len(requests.rounds) == 1


def test_a_storm_is_spread_over_rounds_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.004)

    gevent.joinall(requests.start(30), timeout=SOON)

    assert requests.came == list(range(30))
    assert max(requests.rounds.values()) <= 6  # three of a round's sockets, and three of those that had waited
    assert len(requests.rounds) >= 5


def test_others_have_their_turns_while_a_storm_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.020)
    storm = requests.start(20)
    seen = []

    def other() -> None:
        while len(requests.came) < 20:
            seen.append(len(requests.came))
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(other), *storm], timeout=SOON)

    assert len(set(seen)) >= 10


def test_one_that_is_always_busy_goes_behind_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.006)

    def busy() -> None:
        for _ in range(10):
            requests.one(-1)

    gevent.joinall([gevent.spawn(busy), *requests.start(4)], timeout=SOON)

    assert requests.came.index(3) < 8


def test_those_who_come_again_at_once_do_not_keep_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.006)

    def busy() -> None:
        for _ in range(20):
            requests.one(-1)

    gevent.joinall([gevent.spawn(busy) for _ in range(5)], timeout=SOON)

    assert len(requests.came) == 100
    assert max(requests.rounds.values()) <= 4  # two from sockets, and two of those that had waited


def test_one_that_leaves_while_it_waits_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.020)
    started = requests.start(6)
    gevent.sleep(0)

    for gone in (started[2], started[3]):
        gone.kill()
    gevent.joinall(started, timeout=SOON)

    assert requests.came == [0, 1, 4, 5]


def test_what_was_accepted_comes_before_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.006)
    posts = [gevent.spawn(requests.one, 100 + number, True) for number in range(20)]
    gevent.sleep(0)  # most of them wait now

    gevent.joinall([*requests.start(6), *posts], timeout=SOON)

    before = requests.came[: requests.came.index(5)]
    assert [number for number in before if number < 100] == [0, 1, 2, 3, 4]  # in their order
    assert len([number for number in before if number >= 100]) <= 9  # those that came first, and one a round
    assert [number for number in requests.came if number >= 100] == list(range(100, 120))


def test_a_storm_of_the_accepted_keeps_nobody_new_out(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, 0.006)

    def busy() -> None:
        for _ in range(100):
            requests.one(-1)

    gevent.joinall([*(gevent.spawn(busy) for _ in range(4)), *requests.start(5, new=True)], timeout=SOON)

    assert requests.came.index(4) < 60


@pytest.mark.parametrize("new", [False, True])
def test_who_has_waited_too_long_is_turned_away_and_nobody_else(monkeypatch: pytest.MonkeyPatch, new: bool) -> None:
    requests = Requests(monkeypatch, 4.0)

    gevent.joinall(requests.start(6, new=new), timeout=SOON)

    # the first at once, so that the others wait since then: for 0, 4 and 8 seconds
    assert requests.came == [0, 1, 2, 3]
    assert requests.turned_away == [4, 5]
    gevent.joinall(requests.start(1, new=new), timeout=SOON)
    assert requests.came[4:] == [0]
