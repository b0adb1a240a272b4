"""Watching a request, and stopping it."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest

from ...errors import TooManyViewers
from ...models import Status
from .scene import Base, Recorder, together


class ViewerRules(Base):
    def test_a_viewer_is_woken_after_every_event_and_finds_it(self) -> None:
        with self.scene() as scene:
            mine, seen = scene.create(), []

            with scene.registry.watch(mine, lambda: seen.append(scene.ids(mine)[-1])):
                scene.say(mine)
                scene.state(mine, "running")
                scene.finish(mine)

            assert seen == ["1-2", "1-3", "1-4"]

    def test_a_viewer_that_left_is_not_woken(self) -> None:
        with self.scene() as scene:
            mine, woken = scene.create(), []
            with scene.registry.watch(mine, lambda: woken.append("left")):
                pass

            with scene.registry.watch(mine, lambda: woken.append("stayed")):
                scene.say(mine)

            assert woken == ["stayed"]

    def test_viewers_are_counted_also_when_they_leave_by_an_error(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            counts = []

            with scene.registry.watch(mine, nothing):
                counts.append(scene.registry.snapshot(mine).viewers)
                with suppress(ZeroDivisionError), scene.registry.watch(mine, nothing):
                    counts.append(scene.registry.snapshot(mine).viewers)
                    raise ZeroDivisionError
                counts.append(scene.registry.snapshot(mine).viewers)
            counts.append(scene.registry.snapshot(mine).viewers)

            assert counts == [1, 2, 1, 0]

    def test_a_request_has_so_many_viewers_and_no_more(self) -> None:
        with self.scene() as scene, ExitStack() as viewers:
            mine = scene.create()
            for _ in range(10):
                viewers.enter_context(scene.registry.watch(mine, nothing))

            with pytest.raises(TooManyViewers) as refused, scene.registry.watch(mine, nothing):
                pytest.fail("an eleventh viewer came in")

            assert refused.value.retry_after
            assert scene.registry.snapshot(mine).viewers == 10
            viewers.close()
            assert scene.registry.snapshot(mine).viewers == 0

    def test_an_ended_request_can_be_watched(self) -> None:
        with self.scene() as scene:
            mine = scene.ended()

            with scene.registry.watch(mine, nothing):
                assert scene.registry.snapshot(mine).viewers == 1

    def test_a_stop_reaches_the_owner_once_and_the_first_reason_counts(self) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.own(mine, inbox)

            told = [scene.registry.stop(mine, reason) for reason in ("cancelled", "expired", "cancelled")]

            assert told == [True, True, True]
            assert inbox.stops == ["cancelled"]

    def test_a_stop_before_there_is_an_owner_reaches_it_when_it_comes(self) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.stop(mine, "draining")
            scene.registry.stop(mine, "cancelled")

            scene.registry.own(mine, inbox)

            assert inbox.stops == ["draining"]

    def test_a_stop_after_the_end_says_so_and_tells_nobody(self) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.own(mine, inbox)
            scene.finish(mine)

            assert scene.registry.stop(mine, "cancelled") is False
            assert inbox.stops == []
            assert scene.registry.snapshot(mine).status is Status.COMPLETED

    def test_of_many_stops_at_once_one_is_delivered(self) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.own(mine, inbox)

            together([lambda n=n: scene.registry.stop(mine, f"reason-{n}") for n in range(30)])  # type: ignore[misc]

            assert len(inbox.stops) == 1

    def test_only_a_cancel_shows_as_cancelling_and_only_until_the_end(self) -> None:
        with self.scene() as scene:
            cancelled, overdue = scene.create(), scene.create()

            scene.registry.stop(cancelled, "cancelled")
            scene.registry.stop(overdue, "expired")

            assert scene.registry.snapshot(cancelled).status is Status.CANCELLING
            assert scene.registry.snapshot(overdue).status is Status.ACCEPTED
            scene.finish(cancelled)
            assert scene.registry.snapshot(cancelled).status is Status.COMPLETED

    def test_a_stopped_request_can_still_be_written_and_finished(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.registry.stop(mine, "cancelled")

            scene.say(mine)
            scene.finish(mine)

            assert scene.ids(mine) == ["1-1", "1-2", "1-3"]


def nothing() -> None:
    """A viewer that does not care."""
