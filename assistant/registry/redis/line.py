"""Line: one connection that many greenlets ask over at once.

While one of them waits for Redis, the questions of the others gather, and one of those sends all of them together. So a
loop that is behind, in which every answer waits for its turn, costs one such wait for all and not one for each; more
connections would only divide it by their number. Each has a latch of its own: a lock that they shared would let them out
one in a turn of the loop.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from redis.exceptions import RedisError

# Most questions of one go, so that its answer comes in time.
_MOST = 200


class _Question:
    """A command, and its answer once there is one. `latch` opens when there is, or when this one is to ask for all."""

    __slots__ = ("answer", "answered", "command", "latch")

    def __init__(self, command: tuple[Any, ...]) -> None:
        self.command = command
        self.answered = False
        self.answer: Any = None
        self.latch = Lock()
        self.latch.acquire()


class Line:
    """Asks over `client`, which needs one connection."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = Lock()
        self._waiting: list[_Question] = []
        self._asker: _Question | None = None  # who asks for all

    def ask(self, *command: Any) -> Any:
        """The answer to a command. Raises RedisError: its own, or the one by which all of a go were lost."""
        question = _Question(command)
        with self._lock:
            self._waiting.append(question)
            if self._asker is None:
                self._asker = question
                question.latch.release()
        try:
            question.latch.acquire()
            while not question.answered:
                self._go()
        finally:
            self._leave(question)
        if isinstance(question.answer, Exception):
            raise question.answer
        return question.answer

    def _go(self) -> None:
        """Answers those that wait, the oldest first."""
        with self._lock:
            some = self._waiting[:_MOST]
            del self._waiting[: len(some)]
        try:
            pipe = self._client.pipeline(transaction=False)
            for question in some:
                pipe.execute_command(*question.command)
            answers = pipe.execute(raise_on_error=False)
        except RedisError as problem:
            answers = [problem] * len(some)
        except BaseException:
            answers = [RedisError("the one who asked for all was stopped")] * len(some)
            raise
        finally:
            for question, answer in zip(some, answers, strict=True):
                question.answer, question.answered = answer, True
                if question is not self._asker:
                    question.latch.release()

    def _leave(self, question: _Question) -> None:
        """Whoever asked for all hands that on to the oldest that waits."""
        with self._lock:
            if question in self._waiting:  # stopped before it was asked
                self._waiting.remove(question)
            if self._asker is question:
                self._asker = self._waiting[0] if self._waiting else None
                if self._asker is not None:
                    self._asker.latch.release()
