"""Replies to actions: the first one counts, its repeats are harmless, and the owner hears of it once."""

from __future__ import annotations

from typing import Any

import pytest

from ...actions import Verdict
from ...errors import NotFound
from ...models import ResultReply
from .scene import ACTION_MS, Base, Recorder, together

_CLAIM: dict[str, Any] = {"claim": "tab-1"}
_OTHER: dict[str, Any] = {"claim": "tab-2"}
_OK: dict[str, Any] = {"status": "ok", "value": 1, "claim": "tab-1"}
_OK_UNCLAIMED: dict[str, Any] = {"status": "ok", "value": 1}
_DENIED: dict[str, Any] = {"status": "denied"}
_FAILED: dict[str, Any] = {"status": "error", "value": "no", "claim": "tab-1"}

T, R, C = Verdict.TAKEN, Verdict.REPEATED, Verdict.CONFLICT
# what the action wants, the replies in their order, what each of them does
_TABLE: list[tuple[str, list[dict[str, Any]], list[Verdict]]] = [
    ("result", [_CLAIM, _CLAIM, _OTHER], [T, Verdict.REPEATED_CLAIM, C]),
    ("result", [_CLAIM, _OK, _OK, {**_OK, "value": 2}, _CLAIM, _OTHER], [T, T, R, C, Verdict.REPEATED_CLAIM, C]),
    ("result", [_CLAIM, {**_OK, "claim": "tab-2"}, _OK], [T, C, T]),
    ("result", [_OK_UNCLAIMED, _CLAIM, _OK_UNCLAIMED], [C, T, T]),
    ("result", [_DENIED, _DENIED, _CLAIM], [T, R, C]),
    ("result", [_CLAIM, _DENIED, {**_DENIED, "claim": "tab-1"}], [T, C, T]),
    ("result", [_CLAIM, _FAILED, _FAILED, _OK], [T, T, R, C]),
    ("approval", [_OK_UNCLAIMED, _OK_UNCLAIMED, _DENIED], [T, R, C]),
    ("approval", [_DENIED, _OK_UNCLAIMED], [T, C]),
    ("approval", [_CLAIM, _OK_UNCLAIMED], [T, T]),
    ("nothing", [_CLAIM, _CLAIM, _OTHER, _OK], [T, Verdict.REPEATED_CLAIM, C, C]),
    ("nothing", [_DENIED, _DENIED, _CLAIM], [T, R, C]),
    ("nothing", [_OK_UNCLAIMED, _CLAIM], [C, T]),
]


class ActionRules(Base):
    @pytest.mark.parametrize(("wants", "replies", "verdicts"), _TABLE)
    def test_each_reply_has_its_verdict(
        self, wants: str, replies: list[dict[str, Any]], verdicts: list[Verdict]
    ) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.own(mine, inbox)
            scene.propose(mine, wants=wants)

            given = [
                scene.reply(mine, **reply) if "status" in reply else scene.claim(mine, **reply) for reply in replies
            ]

            assert given == verdicts
            assert len(inbox.answers) == verdicts.count(Verdict.TAKEN)

    def test_the_owner_is_told_which_action_and_what(self) -> None:
        with self.scene() as scene:
            mine, inbox = scene.create(), Recorder()
            scene.registry.own(mine, inbox)
            scene.propose(mine, "act-7", wants="approval")

            scene.reply(mine, "act-7", value={"yes": True})

            assert inbox.answers == [("act-7", ResultReply(status="ok", value={"yes": True}))]

    def test_of_many_claims_at_once_one_is_taken(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine)

            verdicts = together([lambda n=n: scene.claim(mine, f"tab-{n}") for n in range(30)])  # type: ignore[misc]

            assert verdicts.count(Verdict.TAKEN) == 1
            assert verdicts.count(Verdict.CONFLICT) == 29

    def test_an_unknown_action_is_not_found(self) -> None:
        with self.scene() as scene:
            mine = scene.create()

            with pytest.raises(NotFound):
                scene.claim(mine, action_id="act-9")
            with pytest.raises(NotFound):
                scene.reply(mine, "act-9")

    def test_after_its_moment_an_action_takes_no_reply_but_knows_its_repeats(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine, "answered", wants="approval")
            scene.propose(mine, "late", wants="approval")
            scene.reply(mine, "answered")
            scene.clock.advance(ACTION_MS / 1000)

            assert scene.reply(mine, "answered") is Verdict.REPEATED
            assert scene.reply(mine, "late") is Verdict.EXPIRED
            assert scene.claim(mine, action_id="late") is Verdict.EXPIRED

    def test_an_action_that_was_expired_takes_no_reply(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine)

            assert scene.registry.expire_action(mine, "act-1") is True
            assert scene.registry.expire_action(mine, "act-1") is False
            assert scene.claim(mine) is Verdict.EXPIRED

    def test_an_action_that_was_answered_cannot_be_expired(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine, wants="approval")
            scene.reply(mine)

            assert scene.registry.expire_action(mine, "act-1") is False

    def test_a_claimed_action_can_still_be_expired(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine)
            scene.claim(mine)

            assert scene.registry.expire_action(mine, "act-1") is True
            assert scene.reply(mine, **_OK) is Verdict.EXPIRED

    def test_the_end_of_a_request_expires_its_actions(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            scene.propose(mine)

            scene.finish(mine)

            assert scene.claim(mine) is Verdict.EXPIRED
            assert scene.registry.snapshot(mine).pending_actions == []

    def test_pending_actions_are_those_that_still_want_something(self) -> None:
        with self.scene() as scene:
            mine = scene.create()
            for action_id, wants in (("a", "result"), ("b", "approval"), ("c", "nothing"), ("d", "nothing")):
                scene.propose(mine, action_id, wants)

            scene.claim(mine, action_id="a")
            scene.reply(mine, "b")
            scene.claim(mine, action_id="c")

            pending = scene.registry.snapshot(mine).pending_actions
            assert [(one["action_id"], one["phase"]) for one in pending] == [("a", "claimed"), ("d", "proposed")]
            assert all({"name", "args", "wants", "expires_at"} <= one.keys() for one in pending)
