"""Who gets in, who may see what, and what an Idempotency-Key promises."""

from __future__ import annotations

import pytest

from ...errors import Gone, IdempotencyMismatch, NotFound, ServerFull, TooManyActive
from ...models import Status
from ...protocols import Created
from .scene import Base, together


class AdmissionRules(Base):
    def test_a_user_has_so_many_running_requests_and_no_more(self) -> None:
        with self.scene() as scene:
            for _ in range(5):
                scene.create("ada")

            with pytest.raises(TooManyActive) as refused:
                scene.create("ada")

            assert refused.value.retry_after
            assert refused.value.extra == {"scope": "active", "mode": "chat", "limit": 5}
            assert scene.registry.active("ada") == 5
            assert scene.create("bob")  # the others are not concerned

    def test_a_place_is_free_as_soon_as_a_request_ends(self) -> None:
        with self.scene(max_active_per_user=1) as scene:
            scene.finish(scene.create("ada"))

            again = scene.create("ada")

            assert scene.registry.active("ada") == 1
            scene.finish(again)
            assert scene.registry.active() == scene.registry.active("ada") == 0

    def test_a_process_has_so_many_running_requests_and_no_more(self) -> None:
        with self.scene(max_active=3) as scene:
            running = [scene.create(user) for user in ("ada", "bob", "cyd")]

            with pytest.raises(ServerFull) as refused:
                scene.create("dan")

            assert refused.value.retry_after
            assert scene.registry.active() == 3
            assert scene.registry.active("dan") == 0
            scene.finish(running[0])
            assert scene.create("dan")

    def test_of_many_posts_at_once_exactly_as_many_get_in_as_there_are_places(self) -> None:
        with self.scene() as scene:
            results = together([lambda: scene.create("ada")] * 40)

            admitted = [one for one in results if isinstance(one, str)]
            assert len(set(admitted)) == len(admitted) == scene.registry.active("ada") == 5
            assert all(isinstance(one, (str, TooManyActive)) for one in results)

    def test_of_many_users_at_once_exactly_as_many_get_in_as_the_process_has_places(self) -> None:
        with self.scene(max_active=7) as scene:
            results = together([lambda user=f"user-{n}": scene.create(user) for n in range(40)])  # type: ignore[misc]

            assert sum(isinstance(one, str) for one in results) == scene.registry.active() == 7
            assert all(isinstance(one, (str, ServerFull)) for one in results)

    def test_the_same_key_and_body_is_the_same_request_and_costs_no_place(self) -> None:
        with self.scene(max_active_per_user=1) as scene:
            first = scene.post("key-1")

            again = scene.post("key-1")

            assert not first.replayed
            assert again == Created(first.ctx, replayed=True)
            assert scene.registry.active("ada") == 1

    def test_the_same_key_with_another_body_is_refused(self) -> None:
        with self.scene() as scene:
            scene.post("key-1", b"one body")

            with pytest.raises(IdempotencyMismatch):
                scene.post("key-1", b"another body")

            assert scene.registry.active() == 1

    def test_a_key_belongs_to_its_user(self) -> None:
        with self.scene() as scene:
            mine = scene.post("key-1", user="ada")

            theirs = scene.post("key-1", b"another body", user="bob")

            assert not theirs.replayed
            assert theirs.ctx.request_id != mine.ctx.request_id

    def test_a_key_that_was_refused_a_place_is_not_taken(self) -> None:
        with self.scene(max_active_per_user=1) as scene:
            running = scene.create("ada")
            with pytest.raises(TooManyActive):
                scene.post("key-1")
            scene.finish(running)

            assert not scene.post("key-1", b"another body").replayed

    def test_a_key_lives_as_long_as_the_record_of_its_request(self) -> None:
        with self.scene() as scene:
            first = scene.post("key-1")
            scene.finish(first.ctx.request_id)
            scene.clock.advance(scene.settings.retention - 1)
            scene.registry.sweep()
            assert scene.post("key-1").replayed

            scene.clock.advance(1)
            scene.registry.sweep()

            assert not scene.post("key-1", b"another body").replayed

    def test_fifty_posts_with_one_key_at_once_start_one_request(self) -> None:
        with self.scene() as scene:
            results = together([lambda: scene.post("key-1")] * 50)

            assert all(isinstance(one, Created) for one in results)
            assert len({one.ctx.request_id for one in results}) == 1
            assert [one.replayed for one in results].count(False) == 1
            assert scene.registry.active() == 1

    def test_a_request_is_its_owners_alone(self) -> None:
        with self.scene() as scene:
            mine = scene.create("ada")

            assert scene.registry.get(mine, "ada").request_id == mine
            with pytest.raises(NotFound) as foreign:
                scene.registry.get(mine, "bob")
            with pytest.raises(NotFound) as unknown:
                scene.registry.get(scene.context().request_id, "bob")
            assert str(foreign.value) == str(unknown.value)
            assert foreign.value.extra == unknown.value.extra

    def test_an_expired_request_is_gone_for_its_owner_and_unknown_to_others(self) -> None:
        with self.scene() as scene:
            mine = scene.ended("ada")
            scene.clock.advance(scene.settings.retention)
            scene.registry.sweep()

            with pytest.raises(Gone):
                scene.registry.get(mine, "ada")
            with pytest.raises(NotFound):
                scene.registry.get(mine, "bob")

    def test_a_gone_id_is_forgotten_after_its_time(self) -> None:
        with self.scene(retention=10.0, tombstone=100.0) as scene:
            mine = scene.ended("ada")
            scene.clock.advance(10)
            scene.registry.sweep()
            scene.clock.advance(99)
            scene.registry.sweep()
            with pytest.raises(Gone):
                scene.registry.get(mine, "ada")

            scene.clock.advance(1)
            scene.registry.sweep()

            with pytest.raises(NotFound):
                scene.registry.get(mine, "ada")

    def test_of_the_gone_ids_the_newest_ten_thousand_are_remembered(self) -> None:
        with self.scene(retention=0.0) as scene:
            oldest, *_, newest = gone = [scene.ended("ada") for _ in range(10_002)]
            scene.clock.advance(1)

            scene.registry.sweep()

            for forgotten in (oldest, gone[1]):
                with pytest.raises(NotFound):
                    scene.registry.get(forgotten, "ada")
            for remembered in (gone[2], newest):
                with pytest.raises(Gone):
                    scene.registry.get(remembered, "ada")

    def test_nothing_is_known_of_an_id_that_was_never_given(self) -> None:
        with self.scene() as scene:
            unknown = scene.context().request_id

            for ask in (
                lambda: scene.registry.snapshot(unknown),
                lambda: scene.registry.result(unknown),
                lambda: scene.bytes_of(unknown),
                lambda: scene.say(unknown),
                lambda: scene.finish(unknown),
                lambda: scene.registry.stop(unknown, "cancelled"),
                lambda: scene.claim(unknown),
                lambda: scene.registry.expire_action(unknown, "act-1"),
            ):
                with pytest.raises(NotFound):
                    ask()

    def test_a_users_requests_are_listed_newest_first(self) -> None:
        with self.scene() as scene:
            older, newer = scene.ended("ada"), scene.create("ada")
            scene.create("bob")

            listed = scene.registry.requests_of("ada")

            assert [one.ctx.request_id for one in listed] == [newer, older]
            assert [one.status for one in listed] == [Status.ACCEPTED, Status.COMPLETED]
            assert scene.registry.requests_of("nobody") == []
