"""What all logs of a process may hold together. Registries that do not count their bytes skip these."""

from __future__ import annotations

from typing import Any

import pytest

from ...errors import AssistantError, ServerFull
from ...models import START
from ...protocols import RequestRegistry
from .scene import Base, Scene, said, together
from .viewers import nothing

# The smallest bound that the settings allow, and what three logs of these tests fill of it.
_BOUND = 2**20
_PIECE = 340_000


class MemoryRules(Base):
    def _held(self, registry: RequestRegistry) -> int:
        held = self.held(registry)
        if held is None:
            pytest.skip("this registry does not count its bytes")
        return held

    def _full(self, scene: Scene, *, ended: int) -> list[str]:
        """Three requests of big bodies; the first `ended` of them have ended, a second after each other."""
        self._held(scene.registry)
        ids = [scene.create(f"user-{n}", size=_PIECE) for n in range(3)]
        for request_id in ids[:ended]:
            scene.clock.advance(1)
            scene.finish(request_id)
        return ids

    def test_what_is_held_is_bodies_and_logs_and_comes_back_to_nothing(self) -> None:
        with self.scene() as scene:
            before = self._held(scene.registry)
            ids = [scene.create(f"user-{n}", size=1_000) for n in range(4)]
            for request_id in ids:
                scene.say(request_id, "some text")
                scene.finish(request_id, "some text")

            full = self._held(scene.registry)
            scene.clock.advance(300)
            scene.registry.sweep()

            assert before == self._held(scene.registry) == 0
            assert full >= 4 * 1_000

    def test_what_is_held_is_the_sum_of_the_snapshots(self) -> None:
        with self.scene() as scene:
            ids = [scene.create(f"user-{n}", size=100 * n) for n in range(4)]
            scene.say(ids[0])
            scene.finish(ids[1], "text")

            total = sum(scene.registry.snapshot(one).bytes for one in ids)

            assert self._held(scene.registry) == total

    def test_ended_logs_make_room_the_oldest_first(self) -> None:
        with self.scene(max_bytes=_BOUND) as scene:
            first, second, third = self._full(scene, ended=2)

            newest = scene.create("dan", size=_PIECE)

            assert scene.swept() == {first: "evicted"}
            assert [scene.ids(one)[0] for one in (second, third, newest)] == ["1-1"] * 3
            assert self._held(scene.registry) <= _BOUND

    def test_live_logs_are_never_evicted_and_the_server_is_full(self) -> None:
        with self.scene(max_bytes=_BOUND) as scene:
            ids = self._full(scene, ended=0)

            with pytest.raises(ServerFull) as refused:
                scene.create("dan", size=_PIECE)

            assert refused.value.retry_after
            assert [scene.ids(one) for one in ids] == [["1-1"]] * 3
            assert scene.registry.active("dan") == 0

    def test_a_log_that_is_being_watched_is_not_evicted(self) -> None:
        with self.scene(max_bytes=_BOUND) as scene:
            watched, other, _ = self._full(scene, ended=2)

            with scene.registry.watch(watched, nothing):
                scene.create("dan", size=_PIECE)
                removed = scene.swept()

            assert removed == {other: "evicted"}

    def test_logs_that_grew_beyond_the_bound_are_trimmed_by_the_next_sweep(self) -> None:
        with self.scene(max_bytes=_BOUND) as scene:
            first, *_ = self._full(scene, ended=1)
            running = scene.registry.requests_of("user-2")[0].ctx.request_id
            scene.say(running, "x" * 100_000)

            assert scene.swept() == {first: "evicted"}
            assert self._held(scene.registry) <= _BOUND

    def test_many_at_once_leave_whole_logs_and_nothing_behind(self) -> None:
        with self.scene(max_active_per_user=1_000) as scene:
            results = together([lambda n=n: _live(scene, f"user-{n % 3}") for n in range(24)])  # type: ignore[misc]

            assert all(isinstance(one, list) for one in results), results
            assert scene.registry.active() == 0
            scene.clock.advance(300)
            assert len(scene.swept()) == 24
            assert self.held(scene.registry) in (None, 0)


def _live(scene: Scene, user: str) -> list[str]:
    """One request from its creation to its end, written, watched and read all the while; its ids as a viewer saw them."""
    mine, seen, cursor = scene.create(user), b"", START
    rung: list[Any] = []
    with scene.registry.watch(mine, lambda: rung.append(1)):
        for _ in range(40):
            scene.registry.append(mine, 1, said())
            batch = scene.registry.read(mine, cursor)
            seen, cursor = seen + b"".join(batch.frames), batch.cursor
        scene.finish(mine)
        seen += scene.bytes_of(mine, cursor)
    ids = scene.ids(mine)
    if seen != scene.bytes_of(mine) or ids != [f"1-{seq}" for seq in range(1, 43)] or len(rung) != 41:
        raise AssistantError("a log was lost, doubled or reordered")
    return ids
