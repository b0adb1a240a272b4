"""Writer: the one place of a process that writes events to Redis.

All that is pending goes in one pipeline: at once when it was quiet, in pauses that grow with the load, so that events of a
request join into one entry. What Redis has acknowledged goes into the mirrors, then to those processes where
somebody watches. While Redis does not answer everything stays in its order and is tried again.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby
from threading import Event as Flag
from threading import Lock
from typing import Any, NamedTuple

from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from ...config import Settings
from ...errors import AssistantError, Fenced, RequestClosed, StoreLost
from .connection import Store
from .held import Batch, Held
from .packets import Packet
from .scripts import Scripts

log = logging.getLogger("assistant.registry")

# From one flush to the next; seconds. At least the first, so that the events of a moment share a go. In a loop that is
# behind, so many times what it is late, so that the events of a request share an entry; a reader sees no difference.
_PACE, _LATE, _LONGEST = 0.001, 4, 0.020
# Pause before a flush that failed is tried again; seconds.
_AGAIN = 0.1
# How long events may wait for Redis before their request is stopped; seconds (protocol: store_unavailable).
PATIENCE = 30.0
# Most entries of one pipeline, so that its answer comes in time, and of one script.
_ENTRIES, _CALL = 500, 100
# What a cluster answers for a node that is away: as good as no answer.
_AWAY = (ClusterDownError, ConnectionError, TimeoutError)
# Largest message to another process; bytes. More is left to its own look at the stream.
_MESSAGE = 1 << 20


class Chore(NamedTuple):
    """A script to run with the next flush. Repeating it must change nothing."""

    script: str
    arguments: tuple[Any, ...]
    since: float


class Writer:
    """`ended` hears of each request that is not this process's to write any more, with the refusal when it was one;
    `stuck` of each whose events cannot be stored."""

    def __init__(
        self,
        store: Store,
        scripts: Scripts,
        settings: Settings,
        lock: Lock,
        moment: Callable[[], Any],
        *,
        ended: Callable[[Held, AssistantError | None], None],
        stuck: Callable[[Held], None],
    ) -> None:
        self._store = store
        self._scripts = scripts
        self._retention = round(settings.retention * 1000)
        self._lock = lock
        self._moment = moment
        self._ended = ended
        self._stuck = stuck
        self._bell = Flag()
        self._turn = Lock()  # one flush at a time: the order of the log
        self._dirty: dict[str, Held] = {}
        self._chores: list[Chore] = []
        self.stopped = False
        self.process = ""

    # --- what there is to write: called under the registry's lock ---
    def add(self, held: Held) -> None:
        """The request has events pending."""
        if len(held.pending) == 1:
            held.since = time.monotonic()
        self._dirty[held.ctx.request_id] = held

    def chore(self, script: str, *arguments: Any) -> None:
        self._chores.append(Chore(script, arguments, time.monotonic()))

    def ring(self) -> None:
        """There is something to write. Returns at once."""
        if not self._bell.is_set():
            self._bell.set()

    # --- the loop ---
    def run(self) -> None:
        """Flushes until it is stopped; what is pending then goes in a last flush."""
        due = 0.0
        while not self.stopped:
            self._bell.wait()
            asked = time.monotonic()
            time.sleep(max(0.0, due - asked))
            self._bell.clear()
            now = time.monotonic()
            due = now + min(_LONGEST, max(_PACE, _LATE * (now - max(due, asked))))
            try:
                if not self.flush():
                    time.sleep(_AGAIN)
                    self.ring()
            except Exception:  # whatever it was, the other requests must not wait for ever
                log.exception("events could not be written")
                time.sleep(_AGAIN)
                self.ring()

    def stop(self) -> None:
        self.stopped = True
        self.ring()

    def flush(self) -> bool:
        """Writes what is pending, and not what comes meanwhile; False when Redis did not take it. It is then still pending."""
        with self._turn:
            while True:
                with self._lock:
                    batches, chores, more = self._collected()
                if not batches and not chores:
                    return True
                answers = self._sent(batches, chores)
                if answers is None:
                    self._look_for_stuck()
                    return False
                with self._lock:
                    self._chores[: len(chores)] = _undone(chores, answers[len(batches) :])
                packets = self._settled(batches, answers[: len(batches)])
                if packets:
                    self._publish(packets)
                if any(isinstance(answer, Exception) for answer in answers):
                    return False
                if not more:
                    return True

    def _collected(self) -> tuple[list[Batch], list[Chore], bool]:
        """What one go takes, and whether that leaves something."""
        batches: list[Batch] = []
        chores = self._chores[:_ENTRIES]
        more = len(self._chores) > _ENTRIES
        for request_id, held in list(self._dirty.items()):
            if len(batches) == _ENTRIES:
                more = True
                break
            batch = held.next_batch()
            if batch is None:
                del self._dirty[request_id]
            else:
                batches.append(batch)
                more = more or len(batch.pieces) < len(held.pending)
        batches.sort(key=_ending)
        return batches, chores, more

    def _sent(self, batches: list[Batch], chores: list[Chore]) -> list[Any] | None:
        """The answers for both; None when Redis cannot be reached."""
        for _ in range(2):
            began = time.perf_counter()
            try:
                answers = self._asked(batches, chores)
                self._scripts.note("append", began)
                if not any(isinstance(one, NoScriptError) for one in answers):
                    self._store.up = True
                    return answers
                self._scripts.load(self._store.writing)
            except RedisError as problem:
                self._scripts.note("append", began, problem)
                self._store.failed(problem)
                self._store.up = False
                return None
        return None

    def _asked(self, batches: list[Batch], chores: list[Chore]) -> list[Any]:
        """What Redis says to each. Raises RedisError when it says nothing."""
        pipe = self._store.writing.pipeline(transaction=False)
        calls = list(_calls(batches))
        for script, some in calls:
            arguments = [argument for batch in some for argument in batch.arguments]
            self._scripts.queue(pipe, script, self._moment(), self._retention, *arguments)
        for chore in chores:
            self._scripts.queue(pipe, chore.script, *chore.arguments)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        if (away := next((one for one in answers if isinstance(one, _AWAY)), None)) is not None:
            raise away
        told = zip(calls, answers, strict=False)  # those of the chores follow
        return [one for (_, some), answer in told for one in _each(answer, len(some))] + answers[len(calls) :]

    # --- the answers ---
    def _settled(self, batches: list[Batch], answers: list[Any]) -> dict[str, list[Packet]]:
        """Does what each answer asks for; the packets for each process where somebody watches."""
        packets: dict[str, list[Packet]] = defaultdict(list)
        for batch, answer in zip(batches, answers, strict=True):
            held = batch.held
            if isinstance(answer, Exception):
                self._refused(held, answer)
                continue
            word, *rest = answer
            ours = word == b"have" or (word == b"closed" and batch.pieces[-1].end)  # a try whose answer was lost
            if word == b"ok" or (ours and rest[0] >= batch.last):
                with self._lock:
                    frames = held.acknowledged(batch.last)
                    held.since = time.monotonic()
                held.mirror.wake()
                closed = bool(batch.pieces[-1].end)
                for name in rest[1:]:
                    if (process := name.decode()) != self.process:
                        packet = Packet(held.ctx.request_id, held.attempt, batch.first, closed, frames)
                        packets[process].append(packet)
                if closed:
                    self._ended(held, None)
            elif word == b"have":
                self._catch_up(held, rest[0])
            else:
                self._ended(held, {b"fenced": Fenced, b"closed": RequestClosed, b"lost": StoreLost}[word]())
        return packets

    def _catch_up(self, held: Held, last: int) -> None:
        """Redis has other events than we thought: a part of a batch, or fewer, after a failover to a copy behind."""
        with self._lock:
            held.acknowledged(last)
            missing = bool(held.pending) and held.pending[0].seq > last + 1
            whole = not missing or held.resend(last)
        held.mirror.wake()
        if not whole:
            self._ended(held, StoreLost())

    def _refused(self, held: Held, problem: Exception) -> None:
        """Redis answers and does not take it: full, or read-only. The request ends; its end may be written even so."""
        if not held.given_up:
            log.error("Redis refuses events: %s", problem, extra={"request_id": held.ctx.request_id})
        self._store.failed(problem)  # a master that is none any more is left
        if isinstance(problem, OutOfMemoryError) or time.monotonic() - held.since > PATIENCE:
            self._give_up(held)

    def _look_for_stuck(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [held for held in self._dirty.values() if held.pending and now - held.since > PATIENCE]
        for held in late:
            self._give_up(held)

    def _give_up(self, held: Held) -> None:
        if not held.given_up:
            held.given_up = True
            self._stuck(held)

    def _publish(self, packets: dict[str, list[Packet]]) -> None:
        try:
            pipe = self._store.writing.pipeline(transaction=False)
            for process, some in packets.items():
                message = b"".join(packet.dump() for packet in some)
                if len(message) <= _MESSAGE:
                    self._scripts.queue(pipe, "send", process, message)
            pipe.execute(raise_on_error=False)
        except RedisError as problem:  # they find it in the stream
            self._store.failed(problem)


def _ending(batch: Batch) -> bool:
    """Whether it is to be taken even by a Redis that is full."""
    return bool(batch.pieces[-1].end) or batch.held.given_up


def _calls(batches: list[Batch]) -> Iterator[tuple[str, list[Batch]]]:
    """The scripts to run, each with its batches. Redis does nothing else during one, so none is long."""
    for ending, those in groupby(batches, _ending):
        some = list(those)
        for at in range(0, len(some), _CALL):
            yield "finish" if ending else "append", some[at : at + _CALL]


def _each(answer: Any, count: int) -> list[Any]:
    """What a script says to each of its batches: its own failure is that of all."""
    if isinstance(answer, Exception):
        return [answer] * count
    return [ResponseError(rest[0].decode()) if word == b"failed" else [word, *rest] for word, *rest in answer]


def _undone(chores: list[Chore], answers: list[Any]) -> list[Chore]:
    """The chores that Redis has refused, for as long as that may be for a moment."""
    now = time.monotonic()
    refused = (chore for chore, answer in zip(chores, answers, strict=True) if isinstance(answer, Exception))
    return [chore for chore in refused if now - chore.since < PATIENCE]
