"""What every model server has in common: where it is, a client per process, a stream that is opened with patience."""

from __future__ import annotations

import logging
import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import orjson

from ..config import ConfigError, Settings, is_loopback
from ..errors import (
    AssistantError,
    ProviderIncomplete,
    ProviderProtocol,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
)
from ..protocols import Delta
from .failures import failure, headers_of, names_of, noted, words_of


class Closing(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closing)

# What a server on this host that wants no key is sent in its place; the SDKs insist on one.
NO_KEY = "none"
# Idle connections kept for the next request, which then needs no TLS handshake; the SDKs' own number.
_KEPT = 100


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a model server; seconds. The first token and the whole answer are the janitor's clocks."""

    # a name is looked up and a handshake made in well under a second, or not at all
    connect: float = 10.0
    # the longest silence on the wire; the janitor's clock for the first token is no longer than this
    idle: float = 60.0
    # the pause before the first retry; each further one takes twice as long
    backoff: float = 0.5
    # the longest Retry-After worth waiting for while a user looks on; a longer one is passed on to the user
    retry_after: float = 10.0
    retries: int = 2


@dataclass(frozen=True, slots=True)
class Access:
    """Where a model server is and how to get in; empty texts mean the SDK's own defaults."""

    key: str = field(repr=False)
    base_url: str

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""


class PerProcess(Generic[C]):
    """Something that a fork must not share, made when it is first asked for in this process."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._lock = Lock()
        self._pid = 0
        self._made: C | None = None

    def get(self) -> C:
        with self._lock:
            if self._made is None or self._pid != os.getpid():
                self._made, self._pid = self._make(), os.getpid()
            return self._made

    def taken(self) -> C | None:
        """What was made here, if anything; it will be made anew when it is asked for again."""
        with self._lock:
            made, self._made = self._made, None
            return made if self._pid == os.getpid() else None


class ModelServer(ABC, Generic[C]):
    """A model server behind its official SDK. `most` is how many calls may run at once."""

    def __init__(self, access: Access, *, most: int = 1000, patience: Patience | None = None) -> None:
        self._access = access
        self._most = most
        self._patience = patience or Patience()
        self._client = PerProcess(self._connect)

    def close(self) -> None:
        """Closes the idle connections of this process."""
        if (client := self._client.taken()) is not None:
            client.close()

    @abstractmethod
    def _connect(self) -> C:
        """A client of the SDK, which is imported here and not before."""

    def _options(self, sdk: Any) -> dict[str, Any]:
        """What the client of either SDK is made with; both come from the same generator."""
        hush(sdk.__name__)
        timeout, limits = transport(sdk.Timeout, self._most, self._patience)
        return {
            "base_url": self._access.base_url or None,
            "timeout": timeout,
            "max_retries": 0,  # ours know when a user would rather be told
            "http_client": sdk.DefaultHttpxClient(timeout=timeout, limits=limits),
        }


class Events(Protocol):
    """An open stream of an SDK."""

    @property
    def response(self) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None: ...


class Answer(Protocol):
    """Turns one server's events into deltas. `reason` is empty until the server has said why the answer ended."""

    @property
    def reason(self) -> str: ...

    def take(self, event: Any) -> Iterable[Delta]: ...

    def end(self) -> Iterable[Delta]: ...


# --- settings -----------------------------------------------------------------------------------------------------
def access(settings: Settings, sdk: str, keys: tuple[str, ...], base_url: str) -> Access:
    """The server that the settings name. `keys` and `base_url` are the SDK's own variables. Raises ConfigError.

    The SDK is imported here, while the server starts: seconds of importing in a running one would stop every stream.
    """
    try:
        import_module(sdk)
    except ModuleNotFoundError:
        raise ConfigError(f"ASSISTANT_PROVIDER={sdk} needs the package {sdk}: pip install {sdk}") from None
    if not settings.model and not settings.models:
        raise ConfigError(f"ASSISTANT_PROVIDER={sdk} needs ASSISTANT_MODEL, the name of a model")
    found = Access(
        settings.api_key or next(filter(None, map(os.environ.get, keys)), ""),
        settings.base_url or os.environ.get(base_url, ""),
    )
    if found.base_url and (urlsplit(found.base_url).scheme not in ("http", "https") or not found.host):
        raise ConfigError("ASSISTANT_BASE_URL is not an address such as http://127.0.0.1:11434/v1")
    if not found.key and not is_loopback(found.host):
        raise ConfigError(f"ASSISTANT_PROVIDER={sdk} needs ASSISTANT_API_KEY (or {keys[0]})")
    if not found.key.isascii() or not found.key.isprintable() or " " in found.key:
        raise ConfigError("ASSISTANT_API_KEY holds characters that no key has; was it pasted with a line break?")
    return Access(found.key or NO_KEY, found.base_url)


def hush(sdk: str) -> None:
    """Keeps an SDK from writing prompts down where everything else debugs; its own variable still makes it."""
    logger = logging.getLogger(sdk)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def transport(timeout: Any, most: int, patience: Patience) -> tuple[Any, Any]:
    """Timeouts and connection limits in the types of the HTTP library that the SDK's `Timeout` class comes from."""
    library = import_module(timeout.__init__.__module__.partition(".")[0])  # the class itself claims to be the SDK's
    return (
        timeout(connect=patience.connect, read=patience.idle, write=patience.idle, pool=patience.connect),
        library.Limits(max_connections=most, max_keepalive_connections=_KEPT),
    )


# --- the stream ---------------------------------------------------------------------------------------------------
def deltas(open_stream: Callable[[], Events], answer: Answer, patience: Patience) -> Generator[Delta, None, None]:
    """The answer of one call. Closing this generator closes the connection; so does every failure.

    Raises the `Provider...` errors and their kin. A stream that breaks after the server gave its reason to end is a
    whole answer; one that ends before is not, and yields no Finish.
    """
    stream = _opened(open_stream, patience)
    events = 0
    try:
        for event in stream:
            events += 1
            yield from answer.take(event)
    except Exception as problem:
        error = failure(problem, opened=True)
        if not (answer.reason and isinstance(error, (ProviderIncomplete, ProviderTimeout))):
            raise noted(error, problem) from None
    finally:
        stream.close()
    if not events and stream.response.num_bytes_downloaded:
        raise noted(ProviderProtocol(), None)  # a page, or an answer that is no stream
    yield from answer.end()


def parsed(written: str) -> Any:
    """The arguments of a tool call. What is no JSON stays text: it does not fit the schema, and the model hears of that."""
    try:
        return orjson.loads(written)
    except ValueError:
        return written


def _opened(open_stream: Callable[[], Events], patience: Patience) -> Events:
    """The stream, once the server has begun to answer; only until then a call may be repeated."""
    for turn in range(patience.retries + 1):
        try:
            return open_stream()
        except Exception as problem:
            error = noted(failure(problem, opened=False), problem)
            if turn == patience.retries or not _worth_a_retry(problem, error, patience):
                raise error from None
            pause = max(error.retry_after or 0.0, patience.backoff * 2**turn)
        time.sleep(pause * random.uniform(1.0, 1.25))  # jitter, so that those who failed together come apart
    raise AssertionError("the last turn returns or raises")


def _worth_a_retry(problem: Exception, error: AssistantError, patience: Patience) -> bool:
    if (error.retry_after or 0.0) > patience.retry_after or headers_of(problem).get("x-should-retry") == "false":
        return False
    if isinstance(error, ProviderTimeout):  # a server that has the prompt may be at work on it: ask nobody twice
        return "ConnectTimeout" in names_of(problem)
    if isinstance(error, ProviderRateLimited):  # an empty account stays empty
        return "insufficient_quota" not in words_of(getattr(problem, "body", None))
    return isinstance(error, ProviderUnavailable)
