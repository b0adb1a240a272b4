"""emit: a receiver's failure is logged and hurts nobody."""

import pytest
from blinker import Namespace

from assistant.signals import emit, log


def test_every_receiver_hears_though_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    signal, heard, logged = Namespace().signal("a-signal"), [], []
    monkeypatch.setattr(log, "exception", lambda text, *values: logged.append(text % values))

    def fails(sender: object, **_: object) -> None:
        heard.append("failed")
        raise RuntimeError("broken")

    def hears(sender: object, *, fact: int) -> None:
        heard.append(f"{sender}: {fact}")

    for receiver in (fails, hears):
        signal.connect(receiver)

    emit(signal, "app", fact=7)

    assert sorted(heard) == ["app: 7", "failed"]
    assert logged == ["a receiver of a-signal failed"]


def test_a_receiver_hears_its_own_sender_alone() -> None:
    signal, heard = Namespace().signal("a-signal"), []

    def hears(sender: object) -> None:
        heard.append(sender)

    mine, theirs = object(), object()
    signal.connect(hears, sender=mine)

    emit(signal, theirs)
    emit(signal, mine)

    assert heard == [mine]


def test_a_signal_nobody_listens_to_costs_nothing() -> None:
    emit(Namespace().signal("unheard"), object(), fact=1)


def test_not_even_a_receiver_that_wants_to_exit_hurts_the_sender() -> None:
    signal, heard = Namespace().signal("a-signal"), []

    def exits(sender: object) -> None:
        heard.append(sender)
        raise SystemExit

    signal.connect(exits)

    emit(signal, "app")

    assert heard == ["app"]
