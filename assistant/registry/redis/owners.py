"""Owners: what reaches the owner of a request, from whichever process it is said.

Redis decides which of several came first; then the owner is told, at once when it is here, else through the inbox of its
process.
"""

from __future__ import annotations

import uuid
from threading import Lock
from typing import Any

import orjson

from ...actions import Verdict
from ...clock import Clock
from ...errors import NotFound
from ...models import ActionReply, ClaimReply, ResultReply
from ...protocols import Inbox
from .process import Process
from .record import Action

# Most reasons to stop that are kept for requests which are just coming in.
_EARLY = 1000


class Owners:
    """`lock` is the registry's."""

    def __init__(self, process: Process, lock: Lock, clock: Clock) -> None:
        self._process = process
        self._lock = lock
        self._clock = clock
        self._early: dict[str, str] = {}  # reasons to stop that came before their requests; the newest

    def own(self, request_id: str, inbox: Inbox) -> bool:
        """Makes `inbox` the owner's ear; False when this process does not have the request."""
        with self._lock:
            held = self._process.held.get(request_id)
            if held is None:
                return False
            held.stop_reason = held.stop_reason or self._early.pop(request_id, None)
            held.inbox, reason = inbox, held.stop_reason
        if reason is not None:
            inbox.stop(reason)
        return True

    def stop(self, request_id: str, reason: str) -> bool:
        process = self._process
        letter = orjson.dumps({"stop": request_id, "reason": reason, "letter": uuid.uuid4().hex})
        if request_id in process.held:
            process.chore("stop", request_id, reason, letter, process.name)  # who has taken it over hears of it too
            if self._stop_mine(request_id, reason):
                return True
        answer = process.scripts.run("stop", request_id, reason, letter, process.name)
        if answer == b"none":
            raise NotFound
        return bool(answer == b"ok")

    def _stop_mine(self, request_id: str, reason: str) -> bool:
        """Stops a request of this process, the first time; False when it is not, or has its end already."""
        with self._lock:
            held = self._process.held.get(request_id)
            if held is None or held.closing:
                return False
            if held.stop_reason is not None:
                return True
            held.stop_reason, inbox = reason, held.inbox
        if inbox is not None:
            inbox.stop(reason)
        return True

    def answer(self, request_id: str, action_id: str, reply: ActionReply) -> Verdict:
        while True:  # again only when somebody else's reply came between, and each of them changes the state for good
            old, action = self._action(request_id, action_id)
            verdict = action.state.apply(reply, self._clock.now())
            if verdict is not Verdict.TAKEN:
                return verdict
            letter = orjson.dumps(
                {"answer": request_id, "action": action_id, "reply": reply.model_dump(), "letter": uuid.uuid4().hex}
            )
            if self._process.scripts.run("swap", request_id, action_id, old, action.dump(), letter):
                return verdict

    def expire_action(self, request_id: str, action_id: str) -> bool:
        while True:
            old, action = self._action(request_id, action_id)
            if not action.state.pending:
                return False
            action.state.phase = "expired"
            if self._process.scripts.run("swap", request_id, action_id, old, action.dump(), b""):
                return True

    def _action(self, request_id: str, action_id: str) -> tuple[bytes, Action]:
        answer = self._process.scripts.run("action", request_id, action_id)
        if not answer:
            raise NotFound
        text, ended = answer
        if text is None:
            raise NotFound("There is no such action.")
        return text, Action.load(text, ended=ended is not None)

    def deliver(self, letter: dict[str, Any]) -> None:
        """Delivers what another process has sent to an owner here."""
        if "stop" in letter:
            if letter["stop"] not in self._process.held:
                self._remember(letter["stop"], letter["reason"])
            self._stop_mine(letter["stop"], letter["reason"])
            return
        held = self._process.held.get(letter["answer"])
        if held is not None and held.inbox is not None:
            said = letter["reply"]
            reply = ClaimReply(**said) if said["status"] == "claimed" else ResultReply(**said)
            held.inbox.answer(letter["action"], reply)

    def _remember(self, request_id: str, reason: str) -> None:
        with self._lock:
            self._early[request_id] = reason
            if len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]
