"""Agenda: who is due is found, nobody is lost, and nobody else is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from assistant.agenda import Agenda


@dataclass(eq=False)
class Thing:
    look_in: int = 0


def test_who_is_due_is_found_and_the_others_stand_where_they_were() -> None:
    agenda: Agenda[Thing] = Agenda()
    early, late = Thing(), Thing()
    agenda.put(early, 3.9)
    agenda.put(late, 4.0)

    assert agenda.due(2.99) == []
    assert agenda.due(3.0) == [early]  # the whole seconds count
    assert agenda.due(3.99) == []
    agenda.move(early, 10)
    assert agenda.due(9.9) == [late]


def test_who_is_due_and_is_not_moved_is_due_again_a_second_later() -> None:
    agenda: Agenda[Thing] = Agenda()
    thing = Thing()
    agenda.put(thing, 3)

    assert agenda.due(3.5) == [thing]
    assert agenda.due(3.9) == []
    assert agenda.due(4.0) == [thing]


def test_one_that_was_struck_is_never_due_and_is_struck_once() -> None:
    agenda: Agenda[Thing] = Agenda()
    here, never = Thing(), Thing()
    agenda.put(here, 5)

    assert not agenda.take(never)
    assert agenda.take(here)
    assert not agenda.take(here)
    agenda.move(here, 5)
    assert agenda.due(10) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100))), st.floats(0, 100))
def test_moved_as_often_as_you_like_each_stands_there_once(moves: list[tuple[float, float]], now: float) -> None:
    agenda: Agenda[Thing] = Agenda()
    ends: dict[Thing, float] = {}
    for first, second in moves:
        thing = Thing()
        agenda.put(thing, first)
        agenda.move(thing, second)
        ends[thing] = second

    due = agenda.due(now)

    assert sorted(map(id, due)) == sorted(id(one) for one, moment in ends.items() if int(moment) <= now)
    assert sorted(map(id, agenda)) == sorted(map(id, ends))
