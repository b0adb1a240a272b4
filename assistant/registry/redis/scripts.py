"""Scripts: what is atomic in Redis, each a file in lua/, sent once and then named by its digest."""

from __future__ import annotations

import hashlib
import time
from importlib import resources
from threading import Lock
from typing import Any

from redis.exceptions import ConnectionError, NoScriptError, OutOfMemoryError, RedisError, TimeoutError

from ...errors import StoreUnavailable
from ...signals import emit, store_answered, store_failed
from .connection import RETRY_AFTER, Store

# What a full Redis refuses, before the script has written anything; all others run, so that what has to end can end. The
# first line of a script says so (Redis 7, Valkey).
_REFUSED_WHEN_FULL = ("create", "append")
_STRICT, _ALWAYS = "#!lua\n", "#!lua flags=allow-oom\n"


# What scripts are called in metrics; those that are not here are `read`.
_OPERATIONS = {
    "create": "create", "watch": "watch", "stop": "tell", "swap": "tell", "renew": "renew", "sweep": "sweep", "reap": "sweep",
}  # fmt: skip


class Scripts:
    """`tag` begins every key; its braces make a cluster keep all of them on one node. `sender` is that of signals."""

    def __init__(self, store: Store, prefix: str, sender: Any = None) -> None:
        self._sender = sender
        self.tag = f"{{{prefix}}}"
        self._store = store
        self._lock = Lock()
        folder = resources.files(__package__) / "lua"
        texts = {
            one.name.removesuffix(".lua"): one.read_text() for one in folder.iterdir() if one.name.endswith(".lua")
        }
        prelude = texts.pop("prelude")
        texts["finish"] = texts["append"]
        self._texts = {
            name: (_STRICT if name in _REFUSED_WHEN_FULL else _ALWAYS) + prelude + text for name, text in texts.items()
        }
        self._digests = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in self._texts.items()}

    def key(self, kind: str, name: str = "") -> str:
        return f"{self.tag}:{kind}:{name}" if name else f"{self.tag}:{kind}"

    def run(self, name: str, *arguments: Any) -> Any:
        """The script's answer. Raises StoreUnavailable, at once while Redis is known to be down."""
        if not self._store.up:
            raise StoreUnavailable(retry_after=RETRY_AFTER)
        try:
            return self.run_anyway(name, *arguments)
        except RedisError as problem:
            raise self._store.failed(problem) from problem

    def run_anyway(self, name: str, *arguments: Any) -> Any:
        """The same also while Redis is known to be down. Raises RedisError."""
        operation, began = _OPERATIONS.get(name, "read"), time.perf_counter()
        try:
            answer = self._asked(name, arguments)
        except RedisError as problem:
            self.note(operation, began, problem)
            raise
        self.note(operation, began)
        return answer

    def note(self, operation: str, began: float, problem: Exception | None = None) -> None:
        """Tells those who count; `began` is a moment of perf_counter."""
        if problem is None:
            emit(store_answered, self._sender, op=operation, seconds=time.perf_counter() - began)
        else:
            emit(store_failed, self._sender, op=operation, kind=kind_of(problem))

    def _asked(self, name: str, arguments: tuple[Any, ...]) -> Any:
        command = ("EVALSHA", self._digests[name], 1, self.tag, *arguments)
        try:
            return self._store.line.ask(*command)
        except NoScriptError:
            self.load(self._store.commands)
            return self._store.line.ask(*command)

    def queue(self, pipe: Any, name: str, *arguments: Any) -> None:
        """Puts a script into a pipeline; its answer is NoScriptError where `load` was not called since Redis began."""
        pipe.execute_command(
            "EVALSHA", self._digests[name], 1, self.tag, *arguments
        )  # `evalsha` is closed for clusters

    def load(self, client: Any) -> None:
        """Sends all scripts."""
        with self._lock:
            for text in self._texts.values():
                client.script_load(text)


def kind_of(problem: Exception) -> str:
    """What a failure of Redis is called in metrics."""
    for kind, name in ((OutOfMemoryError, "full"), (TimeoutError, "timeout"), (ConnectionError, "connection")):
        if isinstance(problem, kind):
            return name
    return "refused"
