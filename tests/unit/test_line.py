"""The line: many ask over one connection, each has its own answer, and whoever asked for all is replaced when it goes."""

from __future__ import annotations

from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from assistant.registry.redis.line import Line
from tests.redis.pair import SOON, until


class Connection:
    """A client whose answers come when they are let go: the command again, or the error that it names."""

    def __init__(self) -> None:
        self.goes: list[list[str]] = []
        self.asked, self.free = Flag(), Flag()
        self.lost: list[BaseException | None] = []

    def pipeline(self, *, transaction: bool) -> Connection:
        assert not transaction
        self.goes.append([])
        return self

    def execute_command(self, *command: str) -> None:
        self.goes[-1].append(command[0])

    def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        mine = self.goes[-1]
        self.asked.set()
        assert self.free.wait(SOON)
        if self.lost and (lost := self.lost.pop(0)) is not None:
            raise lost
        return [ResponseError(name) if name.startswith("wrong") else name for name in mine]


class Crowd:
    """Threads that ask, and what each of them was told."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._threads: list[Thread] = []
        self.told: dict[str, Any] = {}

    def ask(self, name: str) -> None:
        def job() -> None:
            try:
                self.told[name] = self._line.ask(name)
            except BaseException as problem:
                self.told[name] = problem

        self._threads.append(Thread(target=job))
        self._threads[-1].start()

    def over(self) -> None:
        for thread in self._threads:
            thread.join(SOON)
            assert not thread.is_alive()


def crowd_behind(connection: Connection, line: Line, names: list[str]) -> Crowd:
    """One that asks and waits for its answer, and behind it all the others."""
    crowd = Crowd(line)
    crowd.ask("first")
    assert connection.asked.wait(SOON)
    for name in names:
        crowd.ask(name)
    until(lambda: len(line._waiting) == len(names))
    return crowd


@pytest.mark.parametrize(("behind", "goes"), [(50, [1, 50]), (450, [1, 200, 200, 50])])
def test_who_comes_while_one_waits_goes_together_as_far_as_one_go_takes(behind: int, goes: list[int]) -> None:
    connection = Connection()
    line = Line(connection)
    names = [f"{number}" for number in range(behind)]
    crowd = crowd_behind(connection, line, names)

    connection.free.set()
    crowd.over()

    assert crowd.told == {name: name for name in ("first", *names)}
    assert [len(go) for go in connection.goes] == goes


def test_an_error_is_only_that_of_whoever_asked() -> None:
    connection = Connection()
    connection.free.set()
    line = Line(connection)

    with pytest.raises(ResponseError, match="wrong"):
        line.ask("wrong")

    assert line.ask("right") == "right"


@pytest.mark.parametrize("lost", [RedisError("cut"), SystemExit()])
def test_a_go_that_is_lost_ends_for_all_in_it_and_the_next_one_is_well(lost: BaseException) -> None:
    connection = Connection()
    line = Line(connection)
    names = ["second", "third", "fourth"]
    crowd = crowd_behind(connection, line, names)

    connection.lost = [None, lost]  # of the second go, whose asker is stopped by a SystemExit
    connection.free.set()
    crowd.over()

    assert crowd.told.pop("first") == "first"
    assert lost in crowd.told.values()
    assert all(one is lost or isinstance(one, RedisError) for one in crowd.told.values())
    assert sorted(crowd.told) == sorted(names)
    assert line.ask("fifth") == "fifth"
