"""Agenda: who must be looked at in which second. Of ten thousand that wait, a look each second touches those who are due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Listed(Protocol):
    """What may stand in an agenda. `look_in` is the agenda's: the second in which it stands."""

    look_in: int

    def __hash__(self) -> int: ...


T = TypeVar("T", bound=Listed)


class Agenda(Generic[T]):
    """Its callers come one at a time: a lock is theirs."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[int, set[T]] = {}

    def __iter__(self) -> Iterator[T]:
        return iter([one for some in self._seconds.values() for one in some])

    def put(self, one: T, moment: float) -> None:
        """Enters it, for a look in the second of this moment. It must not stand there already."""
        one.look_in = int(moment)
        self._seconds.setdefault(one.look_in, set()).add(one)

    def take(self, one: T) -> bool:
        """Strikes it; False when it did not stand there."""
        some = self._seconds.get(one.look_in)
        if some is None or one not in some:
            return False
        some.remove(one)
        if not some:
            del self._seconds[one.look_in]
        return True

    def move(self, one: T, moment: float) -> None:
        """Sets its next look; does nothing for one that does not stand there."""
        if self.take(one):
            self.put(one, moment)

    def due(self, now: float) -> list[T]:
        """Those whose second is now, or was before. Their next look is a second later until `move` says when it is."""
        found = [one for second in list(self._seconds) if second <= now for one in self._seconds.pop(second)]
        for one in found:
            self.put(one, now + 1)
        return found

    def clear(self) -> None:
        self._seconds.clear()
