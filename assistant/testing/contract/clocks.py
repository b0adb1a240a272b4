"""The clocks of a running request, and what is kept once it has ended."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from ...errors import NotFound
from .scene import Base, Scene
from .viewers import nothing


class ClockRules(Base):
    def test_each_clock_ends_a_request_at_its_moment_and_not_before(self) -> None:
        assert self._overdue_after(60, watched=True) == "provider_timeout"
        assert self._overdue_after(300, watched=True, answered=True) == "expired"
        assert self._overdue_after(60, answered=True) == "abandoned"

    def _overdue_after(self, seconds: float, *, watched: bool = False, answered: bool = False) -> str:
        with self.scene() as scene, ExitStack() as viewers:
            mine = scene.create()
            if watched:
                viewers.enter_context(scene.registry.watch(mine, nothing))
            if answered:
                scene.say(mine)
            scene.clock.advance(seconds - 0.001)
            assert scene.overdue() == {}

            scene.clock.advance(0.002)

            return scene.overdue()[mine]

    def test_every_event_is_a_sign_of_life_until_the_deadline(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            with scene.registry.watch(mine, nothing):
                scene.say(mine)
                for _ in range(7):
                    scene.clock.advance(250)
                    assert scene.overdue() == {}
                    scene.state(mine, "running")

                scene.clock.advance(50)

                assert scene.overdue() == {mine: "deadline_exceeded"}

    def test_only_the_answer_itself_stops_the_clock_of_the_first_chunk(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            with scene.registry.watch(mine, nothing):
                scene.clock.advance(30)
                scene.state(mine, "running")

                scene.clock.advance(30)

                assert scene.overdue() == {mine: "provider_timeout"}

    def test_a_request_that_all_viewers_left_is_given_longer_than_one_never_watched(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.say(mine)
            scene.clock.advance(50)
            with scene.registry.watch(mine, nothing):
                scene.clock.advance(100)
                scene.say(mine)
                assert scene.overdue() == {}
            scene.clock.advance(200)
            scene.say(mine)
            scene.clock.advance(99)
            assert scene.overdue() == {}

            scene.clock.advance(1)

            assert scene.overdue() == {mine: "abandoned"}

    def test_the_clock_of_the_abandoned_counts_however_much_later_all_others_are_over(self) -> None:
        with self.scene(abandon_timeout=5, unwatched_timeout=5) as scene:
            mine = scene.create()
            scene.say(mine)
            with scene.registry.watch(mine, nothing):
                assert scene.overdue() == {}
            scene.clock.advance(4)
            assert scene.overdue() == {}

            scene.clock.advance(2)

            assert scene.overdue() == {mine: "abandoned"}

    def test_a_viewer_that_comes_back_stops_the_clock_of_the_abandoned(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.say(mine)
            with scene.registry.watch(mine, nothing):
                pass
            scene.clock.advance(299)

            with scene.registry.watch(mine, nothing):
                scene.clock.advance(0.9)
                assert scene.overdue() == {}
            scene.say(mine)
            scene.clock.advance(299)

            assert scene.overdue() == {}

    def test_the_time_of_an_action_does_not_count_against_progress(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            with scene.registry.watch(mine, nothing):
                scene.clock.advance(59)
                scene.state(mine, "waiting_action")
                scene.clock.advance(1_000)
                assert scene.overdue() == {}
                scene.state(mine, "running")
                scene.clock.advance(59)
                assert scene.overdue() == {}

                scene.clock.advance(1)

                assert scene.overdue() == {mine: "provider_timeout"}

    def test_the_deadline_runs_on_while_an_action_waits(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            with scene.registry.watch(mine, nothing):
                scene.state(mine, "waiting_action")

                scene.clock.advance(1_800)

                assert scene.overdue() == {mine: "deadline_exceeded"}

    def test_an_ended_request_is_never_overdue(self) -> None:
        with self.scene() as scene:
            scene.ended()

            scene.clock.advance(10_000)

            assert scene.overdue() == {}

    def test_nobody_is_taken_over_while_everybody_lives(self) -> None:
        with self.scene() as scene:
            scene.create()

            assert list(scene.registry.reap()) == []
            assert scene.registry.shared in (True, False)

    def test_an_ended_log_is_kept_for_its_retention_and_then_dropped_once(self) -> None:
        with self.scene() as scene:
            mine = scene.ended()
            scene.clock.advance(299)
            assert scene.swept() == {}
            assert scene.ids(mine) == ["1-1", "1-2"]

            scene.clock.advance(1)

            assert scene.swept() == {mine: "expired"}
            assert scene.swept() == {}
            assert_gone(scene, mine)
            assert scene.registry.requests_of("ada") == []

    def test_a_live_request_is_never_swept(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.clock.advance(100_000)

            assert scene.swept() == {}
            assert scene.ids(mine) == ["1-1"]

    def test_a_log_that_is_being_watched_is_swept_once_its_viewers_left(self) -> None:
        with self.scene() as scene:
            mine, other = scene.ended(), scene.ended("bob")
            with scene.registry.watch(mine, nothing):
                scene.clock.advance(300)
                assert scene.swept() == {other: "expired"}
                assert scene.ids(mine) == ["1-1", "1-2"]

            assert scene.swept() == {mine: "expired"}


def assert_gone(scene: Scene, request_id: str) -> None:
    for ask in (scene.registry.snapshot, scene.registry.result, scene.bytes_of):
        with pytest.raises(NotFound):
            ask(request_id)
    with pytest.raises(NotFound), scene.registry.watch(request_id, nothing):
        pytest.fail("a dropped log was watched")
