"""A fiber: what is kept of gevent's own greenlet, of which a bare one has nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from assistant.fiber import Fiber


class Diary:
    """A fiber's owner, who notes what happens."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.patience = 3600.0
        self.failure: type[BaseException] | None = None
        self.fiber = Fiber(self)

    def work(self) -> None:
        self.notes.append("begun")
        try:
            if self.failure is not None:
                raise self.failure
            gevent.sleep(self.patience)
        finally:
            self.notes.append("cleaned")

    def left(self) -> None:
        self.notes.append("left" if self.fiber.dead else "left alive")


@pytest.fixture
def diary() -> Iterator[Diary]:
    made = Diary()
    yield made
    made.fiber.kill()
    rounds()


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the hub was told of, which would print it."""
    errors: list[Any] = []
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda context, kind, value, trace: errors.append(kind))
    return errors


def rounds() -> None:
    """Lets the loop go round often enough for all that has been asked of it."""
    for _ in range(4):
        gevent.sleep(0)


def test_it_does_nothing_before_it_is_started(diary: Diary) -> None:
    rounds()

    assert diary.notes == []


def test_it_is_left_when_its_work_is_over(diary: Diary) -> None:
    diary.patience = 0
    diary.fiber.start()
    rounds()

    assert diary.notes == ["begun", "cleaned", "left"]


def test_killed_where_it_waits_it_cleans_up_and_is_left(diary: Diary) -> None:
    diary.fiber.start()
    rounds()
    diary.fiber.kill()
    rounds()

    assert diary.notes == ["begun", "cleaned", "left"]


def test_killed_before_its_first_turn_it_runs_nothing_and_is_left(diary: Diary) -> None:
    diary.fiber.kill()
    diary.fiber.start()
    rounds()

    assert diary.notes == ["left"]


def test_it_is_left_once_however_often_it_is_killed(diary: Diary) -> None:
    diary.fiber.start()
    rounds()
    for _ in range(3):
        diary.fiber.kill()
    rounds()
    diary.fiber.kill()
    rounds()

    assert diary.notes.count("left") == 1


@pytest.mark.parametrize("failure", [ValueError, gevent.Timeout, StopIteration])
def test_what_fails_in_it_is_reported_and_ends_nobody_else(
    diary: Diary, reported: list[Any], failure: type[BaseException]
) -> None:
    diary.failure = failure
    diary.fiber.start()
    other = Diary()
    other.fiber.start()
    rounds()

    assert diary.notes == ["begun", "cleaned", "left"]
    assert other.notes == ["begun"]
    assert reported == [failure]
    other.fiber.kill()
    rounds()


def test_an_end_asked_for_is_no_failure(diary: Diary, reported: list[Any]) -> None:
    diary.failure = gevent.GreenletExit
    diary.fiber.start()
    rounds()

    assert diary.notes == ["begun", "cleaned", "left"]
    assert reported == []
