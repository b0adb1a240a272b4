"""Listener: the one subscription of a process: events from others for those who watch here, and messages to its owners.

A message is a doorbell or a copy. What it misses is in the stream, or in the process's inbox, and is looked for once a
second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import orjson
from redis.exceptions import RedisError

from .connection import Store
from .mirror import frames_of
from .mirrors import Mirrors
from .packets import unpack
from .scripts import Scripts

log = logging.getLogger("assistant.registry")

# Time between two looks for what the bell did not tell; seconds.
_LOOK = 1.0
# Longest wait for a message; seconds. Well below the time an answer may take.
_WAIT = 0.25
# Pause before the subscription is made anew; seconds.
_AGAIN = 0.2
# Messages taken out of the inbox in one go.
_LETTERS = 100
# Letters that are known, so that one which could not be taken out is not read twice; the newest.
_KNOWN = 1000


class Listener:
    """`letter` takes a message for an owner here, as JSON data."""

    def __init__(self, store: Store, scripts: Scripts, mirrors: Mirrors) -> None:
        self._store = store
        self._scripts = scripts
        self._mirrors = mirrors
        self.letter: Callable[[dict[str, Any]], None] = _nobody
        self._known: dict[bytes, None] = {}
        self._looked = 0.0
        self.stopped = False
        self.process = ""

    def run(self) -> None:
        while not self.stopped:
            client = channel = None
            try:
                client = self._store.subscription()  # that of a cluster asks it at once
                channel = client.pubsub(ignore_subscribe_messages=True)
                channel.subscribe(self._scripts.key("to", self.process))
                self._caught_up()
                while not self.stopped:
                    self._turn(channel)
            except (RedisError, OSError) as problem:
                self._store.failed(problem)
                time.sleep(_AGAIN)
            except Exception:
                log.exception("a message of another process could not be read")
                time.sleep(_AGAIN)
            finally:
                _close(channel, client)

    def stop(self) -> None:
        """Ends the loop; a last message lets it look at once."""
        self.stopped = True
        try:
            self._store.commands.publish(self._scripts.key("to", self.process), b"stop")
        except RedisError:
            return  # it looks by itself

    def _turn(self, channel: Any) -> None:
        message = channel.get_message(timeout=_WAIT)
        if message is not None:
            self.hear(message["data"])
        if time.monotonic() - self._looked >= _LOOK and self._store.up:
            self.look()

    def _caught_up(self) -> None:
        """After a gap in the subscription everything is compared."""
        self.read_inbox()
        self._mirrors.compare(all_of_them=True)

    def hear(self, message: bytes) -> None:
        if message == b"inbox":
            self.read_inbox()
        elif message != b"stop":
            for request_id, attempt, first, closed, block in unpack(message):
                self._mirrors.take(request_id, attempt, first, list(frames_of(block)), closed=closed)

    def look(self) -> None:
        """What the bell may have missed."""
        self._looked = time.monotonic()
        self.read_inbox()
        self._mirrors.compare()
        self._mirrors.prune()

    def read_inbox(self) -> None:
        """Each letter is read once and then taken out by its text, which is its own: repeating that changes nothing."""
        inbox = self._scripts.key("inbox", self.process)
        while letters := self._store.commands.lrange(inbox, 0, _LETTERS - 1):
            for letter in letters:
                if letter not in self._known:
                    self._known[letter] = None
                    self._read(letter)
                self._store.commands.lrem(inbox, 1, letter)
        while len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def _read(self, letter: bytes) -> None:
        try:
            self.letter(orjson.loads(letter))
        except Exception:
            log.exception("a message for a request could not be delivered")


def _close(channel: Any, client: Any) -> None:
    for thing in (channel, client):
        try:
            if thing is not None:
                thing.close()
        except (RedisError, OSError):
            continue


def _nobody(_: dict[str, Any]) -> None:
    """Before there are owners nobody writes to them."""
