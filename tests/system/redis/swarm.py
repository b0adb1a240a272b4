"""Many stubborn clients at once: each POSTs, follows its answer over as many connections as it takes, and is compared
with the ground truth at the end."""

from __future__ import annotations

import http.client
import random
import time
import uuid
from collections.abc import Iterable
from typing import Any

import gevent
import requests

from assistant import sse
from tests.system.app import expected
from tests.system.client import Answer, Client

# Longest silence a client puts up with, with a heartbeat each two seconds: its watchdog; seconds.
WATCHDOG = 5.0
# Pause before a client comes again; seconds. A browser waits longer.
_AGAIN = (0.05, 0.25)
# Answers that mean "come again": starting, draining, full, or a proxy that has just lost its server.
_COME_AGAIN = (502, 503, 504)


class Follower:
    """One client of `base` with its answer. `cuts` is the chance that it leaves after a message and comes again."""

    def __init__(self, base: str, number: int, *, mode: str = "count", cuts: float = 0.0, **context: Any) -> None:
        self.client = Client(base, f"user{number}")
        self.prompt = f"prompt {number}"
        self.context = {"count": 60, "pause": 0.05, **context}
        self.mode = mode
        self.answer = Answer()
        self.request_id = ""
        self.ended_at: float | None = None
        self.faults: list[str] = []
        self._cuts = cuts
        self._random = random.Random(number)

    def run(self) -> None:
        self.post()
        self.follow()

    def post(self) -> None:
        """Asks until somebody accepts; the key makes that one request."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            try:
                response = self.client.post(self.prompt, self.mode, context=self.context, headers=key)
            except requests.RequestException:
                self._pause()
                continue
            if response.status_code == 201:
                self.request_id = response.json()["request_id"]
                return
            if response.status_code not in _COME_AGAIN:
                self.faults.append(f"POST {response.status_code}")
                return
            self._pause()

    def follow(self) -> None:
        while not self.answer.ended and not self.faults:
            self._connection()
            if not self.answer.ended:
                self._pause()
        self.ended_at = time.monotonic()

    def _connection(self) -> None:
        self.answer.connections += 1
        connection: Any = None
        try:
            connection = http.client.HTTPConnection(self.client.base.removeprefix("http://"), timeout=WATCHDOG)
            headers = dict(self.client.headers)
            if self.answer.last_id:
                headers["Last-Event-ID"] = self.answer.last_id
            connection.request("GET", f"/assistant/stream/{self.request_id}", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                if response.status not in _COME_AGAIN:
                    self.faults.append(f"GET {response.status}")
                return
            self._read(response)
        except (OSError, http.client.HTTPException):
            return
        finally:
            if connection is not None:
                connection.close()

    def _read(self, response: http.client.HTTPResponse) -> None:
        for message in sse.decode(_blocks(response)):
            if message.event == "status" and message.json()["state"] in ("reset", "closing", "draining"):
                self.answer.notices.append(message.json()["state"])
                continue
            self.answer.messages.append(message)
            if self._random.random() < self._cuts:
                return

    def _pause(self) -> None:
        gevent.sleep(self._random.uniform(*_AGAIN))

    # --- the verdict ---
    @property
    def outcome(self) -> str:
        return self.answer.outcome if self.answer.ended else "none"

    def wrong(self) -> list[str]:
        """What was lost, doubled, reordered or not promised; an honest error with a true partial answer is not."""
        found = list(self.faults)
        if not self.answer.ended:
            return [*found, f"no end: {self.answer.ids[-2:]}"]
        if "reset" in self.answer.notices:
            found.append("reset")
        found += _order_faults(self.answer.ids)
        truth = "".join(expected(self.prompt, self.context["count"]))
        last = self.answer.messages[-1].json()
        said = _text(self.answer)
        if self.outcome == "completed" and not said == last["text"] == truth:
            found.append("not the whole text")
        if self.outcome != "completed" and not (truth.startswith(said) and truth.startswith(last["partial"]["text"])):
            found.append("not the true text")
        return found


def _text(answer: Answer) -> str:
    """The text of the attempt that the answer ended in; a request that was ended for a lost worker said it before."""
    chunks = [one for one in answer.messages if one.event == "response_chunk"]
    attempts = {one.id.split("-")[0] for one in chunks}
    assert len(attempts) <= 1, "an answer was begun twice before somebody's eyes"
    return "".join(one.json()["text"] for one in chunks)


def _order_faults(ids: Iterable[str]) -> list[str]:
    """Within an attempt each number follows the last; a further attempt begins at 1."""
    found, attempt, seq = [], 1, 0
    for one in ids:
        now, number = (int(part) for part in one.split("-"))
        if now > attempt:
            attempt, seq = now, 0
        if now < attempt or number != seq + 1:
            found.append(f"{one} after {attempt}-{seq}")
        seq = number
    return found


def _blocks(response: http.client.HTTPResponse) -> Iterable[bytes]:
    try:
        while block := response.read1(65536):
            yield block
    except (OSError, http.client.HTTPException):
        return


class Swarm:
    """`size` followers, each in a greenlet."""

    def __init__(self, bases: str | list[str], size: int, **options: Any) -> None:
        places = [bases] if isinstance(bases, str) else bases
        self.followers = [Follower(places[number % len(places)], number, **options) for number in range(size)]
        self._jobs = [gevent.spawn(one.run) for one in self.followers]

    def wait_streaming(self, events: int = 4, within: float = 60.0) -> None:
        """Until each has seen something of its answer."""
        with gevent.Timeout(within):
            while not all(len(one.answer.messages) >= events or one.answer.ended for one in self.followers):
                gevent.sleep(0.02)

    def join(self, within: float) -> None:
        gevent.joinall(self._jobs, timeout=within, raise_error=True)
        gevent.killall(self._jobs)

    def outcomes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.followers:
            found[one.outcome] = found.get(one.outcome, 0) + 1
        return found

    def wrong(self) -> list[str]:
        return [f"{one.prompt}: {fault}" for one in self.followers for fault in one.wrong()]

    def after(self, moment: float, share: float = 0.99) -> float:
        """How long after a moment that share of the clients had an end; those that had it before do not count. Seconds."""
        times = sorted(one.ended_at - moment for one in self.followers if one.ended_at and one.ended_at > moment)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
