"""The log of a request: its ids, its bytes, its cursors and its end."""

from __future__ import annotations

import pytest

from ...errors import BudgetExceeded, Fenced, RequestClosed
from ...events import Event
from ...models import START, Cursor, Status
from ...protocols import Snapshot
from .scene import Base, Scene, completed, failed, together


class LogRules(Base):
    def test_a_new_log_holds_that_the_request_is_accepted(self) -> None:
        with self.scene() as scene:
            (first,) = scene.log(scene.create())

            assert (first.id, first.event) == ("1-1", "status")
            assert first.json() == {"state": "accepted", "ts": scene.clock.now()}

    def test_ids_are_attempt_and_sequence_without_holes(self) -> None:
        with self.scene() as scene:
            mine = scene.create()

            given = [str(scene.say(mine)) for _ in range(20)] + [str(scene.finish(mine))]

            assert given == [f"1-{seq}" for seq in range(2, 23)]
            assert scene.ids(mine) == ["1-1", *given]

    def test_a_log_is_the_same_bytes_for_every_viewer_whenever_it_is_read(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            pieces, cursor = b"", START
            for number in range(10):
                scene.say(mine, f"wörd {number}\n\ndata: x\r\n")
                batch = scene.registry.read(mine, cursor)
                pieces, cursor = pieces + b"".join(batch.frames), batch.cursor
            live = scene.bytes_of(mine)

            scene.finish(mine, "the end")

            whole = scene.bytes_of(mine)
            assert pieces == live
            assert whole.startswith(live)
            assert scene.bytes_of(mine) == whole

    def test_reading_is_strictly_after_the_cursor(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            cursors = [Cursor(1, 1), *(scene.say(mine) for _ in range(5)), scene.finish(mine)]
            whole = scene.ids(mine)

            for index, cursor in enumerate(cursors):
                assert scene.ids(mine, cursor) == whole[index + 1 :]
                assert not scene.registry.read(mine, cursor).reset

    def test_the_cursor_of_a_batch_is_behind_its_last_event(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            newest = scene.say(mine)

            assert scene.registry.read(mine, START).cursor == newest
            assert scene.registry.read(mine, newest).cursor == newest

    def test_a_cursor_that_names_no_event_starts_over_and_says_so(self) -> None:
        with self.scene() as scene:
            for mine in (scene.create(), scene.ended()):
                known = len(scene.log(mine))
                for foreign in (Cursor(1, known + 1), Cursor(2, 1), Cursor(0, 1), Cursor(1, 0), Cursor(1, 10**17)):
                    batch = scene.registry.read(mine, foreign)

                    assert batch.reset
                    assert b"".join(batch.frames) == scene.bytes_of(mine)

    def test_a_read_from_the_start_is_no_reset(self) -> None:
        with self.scene() as scene:
            assert not scene.registry.read(scene.create(), START).reset

    def test_a_batch_says_whether_the_log_has_ended(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            before = scene.registry.read(mine, START)

            last = scene.finish(mine)

            assert not before.closed
            assert scene.registry.read(mine, before.cursor).closed
            assert scene.registry.read(mine, last).closed
            assert not b"".join(scene.registry.read(mine, last).frames)

    def test_nothing_follows_the_terminal_event(self) -> None:
        with self.scene() as scene:
            mine = scene.ended()
            whole = scene.bytes_of(mine)

            with pytest.raises(RequestClosed):
                scene.say(mine)
            with pytest.raises(RequestClosed):
                scene.finish(mine)

            assert scene.bytes_of(mine) == whole

    def test_of_many_finishers_at_once_one_wins(self) -> None:
        with self.scene() as scene:
            mine = scene.create()

            results = together([lambda: scene.finish(mine)] * 20 + [lambda: scene.say(mine)] * 20)

            assert [message.event for message in scene.log(mine)].count("complete") == 1
            assert scene.log(mine)[-1].event == "complete"
            assert sum(isinstance(one, Cursor) for one in results[:20]) == 1
            assert all(isinstance(one, (Cursor, RequestClosed)) for one in results)

    def test_another_attempt_cannot_write(self) -> None:
        with self.scene() as scene:
            mine = scene.create()

            for attempt in (0, 2):
                with pytest.raises(Fenced):
                    scene.say(mine, attempt=attempt)
                with pytest.raises(Fenced):
                    scene.finish(mine, attempt=attempt)

            assert scene.ids(mine) == ["1-1"]
            assert scene.registry.active() == 1

    def test_a_log_is_bounded_in_events_and_keeps_room_for_its_end(self) -> None:
        with self.scene(max_request_events=10) as scene:
            mine = scene.create()
            for _ in range(8):
                scene.say(mine)

            with pytest.raises(BudgetExceeded):
                scene.say(mine)
            scene.registry.finish(mine, 1, failed("budget_exceeded"))

            assert scene.ids(mine) == [f"1-{seq}" for seq in range(1, 11)]

    def test_a_log_is_bounded_in_bytes_with_an_end_that_says_the_text_again(self) -> None:
        with self.scene(max_request_bytes=100_000) as scene:
            mine = scene.create(size=500)
            text = "".join(_said_until_full(scene, mine))

            scene.registry.finish(mine, 1, completed_with(text))

            assert len(text) > 1_000
            assert scene.registry.snapshot(mine).bytes <= 100_000

    def test_a_refused_event_leaves_nothing_behind(self) -> None:
        with self.scene(max_request_bytes=100_000) as scene:
            mine = scene.create()
            before = scene.registry.snapshot(mine)

            with pytest.raises(BudgetExceeded):
                scene.say(mine, "x" * 100_000)

            assert scene.registry.snapshot(mine) == before
            assert str(scene.say(mine)) == "1-2"

    def test_the_result_is_the_terminal_events_data_and_nothing_before(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            before = scene.registry.result(mine)

            scene.finish(mine, "all of it")

            assert before is None
            assert scene.registry.result(mine) == completed("all of it").data == scene.log(mine)[-1].json()

    def test_a_snapshot_follows_the_log(self) -> None:
        with self.scene() as scene:
            mine = scene.create(size=321)
            ctx = scene.registry.get(mine, "ada")
            first = scene.registry.snapshot(mine)
            scene.state(mine, "running")

            second = scene.registry.snapshot(mine)

            size = 321 + len(scene.bytes_of(mine))
            assert first.status is Status.ACCEPTED
            assert (first.last_event, first.events) == (Cursor(1, 1), 1)
            assert second == Snapshot(ctx, Status.RUNNING, Cursor(1, 2), viewers=0, events=2, bytes=size)

    @pytest.mark.parametrize(
        ("terminal", "end"),
        [
            (completed(), Status.COMPLETED),
            (completed(outcome="cancelled"), Status.CANCELLED),
            (failed(), Status.FAILED),
        ],
    )
    def test_the_terminal_event_decides_the_status(self, terminal: Event, end: Status) -> None:
        with self.scene() as scene:
            mine = scene.create()

            last = scene.registry.finish(mine, 1, terminal)

            snapshot = scene.registry.snapshot(mine)
            assert (snapshot.status, snapshot.last_event, snapshot.events) == (end, last, 2)


def _said_until_full(scene: Scene, request_id: str) -> list[str]:
    texts: list[str] = []
    while len(texts) < 5_000:
        try:
            scene.say(request_id, f"wörd \n {len(texts)} ")
        except BudgetExceeded:
            return texts
        texts.append(f"wörd \n {len(texts)} ")
    raise AssertionError("the log has no bound")


def completed_with(text: str) -> Event:
    """A terminal event as the runner builds it: the text joined, and again in its part."""
    event = completed(text)
    event.data["parts"] = [{"index": 0, "part": "text", "text": text}]
    return event
