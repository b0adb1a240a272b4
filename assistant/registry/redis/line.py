"""Line: one connection that many greenlets ask over at once.

While one of them waits for Redis, the questions of the others gather, and whoever comes next sends all of them together. So
a loop that is behind, in which every answer waits for its turn, costs one such wait for all and not one for each; more
connections would only divide it by their number.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from redis.exceptions import RedisError

# Most questions of one go, so that its answer comes in time.
_MOST = 200


class _Question:
    """A command, and its answer once there is one."""

    __slots__ = ("answer", "answered", "command")

    def __init__(self, command: tuple[Any, ...]) -> None:
        self.command = command
        self.answered = False
        self.answer: Any = None


class Line:
    """Asks over `client`, which needs one connection."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._turn = Lock()
        self._waiting: list[_Question] = []

    def ask(self, *command: Any) -> Any:
        """The answer to a command. Raises RedisError: its own, or the one by which all of a go were lost."""
        question = _Question(command)
        self._waiting.append(question)
        while not question.answered:
            with self._turn:
                if not question.answered:
                    self._go()
        if isinstance(question.answer, Exception):
            raise question.answer
        return question.answer

    def _go(self) -> None:
        """Answers those that wait, the oldest first."""
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
