"""Settings: every ASSISTANT_* name, read once, checked, frozen. Standard library only."""

from __future__ import annotations

import difflib
import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

log = logging.getLogger("assistant.config")

PREFIX = "ASSISTANT_"


class ConfigError(ValueError):
    """A setting that cannot be used; its text is one line that says what to do."""


def _setting(
    default: Any, doc: str, *, low: float | None = None, high: float | None = None, secret: bool = False
) -> Any:
    metadata = {"doc": doc, "low": low, "high": high, "secret": secret}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata, repr=not secret)


def parse_pairs(text: str) -> dict[str, str]:
    """Reads `chat=60/minute,edit=30/minute` into a dict; raises ValueError on a part without `=`."""
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, found, value = part.partition("=")
        if not found or not name.strip() or not value.strip():
            raise ValueError(f"{part!r} is not name=value")
        pairs[name.strip()] = value.strip()
    return pairs


@dataclass(frozen=True, slots=True)
class Settings:
    """What a team can set. Durations are seconds, sizes bytes. Field `max_active` is ASSISTANT_MAX_ACTIVE, and so on."""

    # a secret: the address may hold a password
    registry: str = _setting(
        "memory://", "where requests live: memory:// (one worker) or redis://host:port/db (any number)", secret=True
    )
    redis_prefix: str = _setting(
        "assistant", "what the keys of this deployment begin with, where several share a Redis"
    )
    provider: str = _setting("demo", "which model provider answers: demo, openai or anthropic")
    model: str = _setting("", "the model's name, for providers that need one")
    models: dict[str, str] = _setting({}, "a model per mode, for example chat=small,generate=large")
    base_url: str = _setting("", "address of an OpenAI-compatible server, for example http://127.0.0.1:11434/v1")
    api_key: str = _setting("", "key of the provider; else the SDK's own variable is read", secret=True)
    max_output_tokens: int = _setting(4096, "most tokens one model answer may have", low=1)
    history_chars: int = _setting(48_000, "most characters of earlier turns sent to the model", low=0)
    devtools: bool = _setting(False, "whether windows offer their devtools, by a button and by ?assistant_debug=1")
    docs_url: str = _setting("", "where the stand-alone page's link to documentation leads; without it there is none")
    guests: bool = _setting(False, "whether visitors without a login get a guest token")
    url_prefix: str = _setting("/assistant", "where the routes live")
    origins: tuple[str, ...] = _setting((), "other origins whose pages may call, exact, comma-separated")
    proxies: int = _setting(0, "how many trusted proxies stand in front (for X-Forwarded-*)", low=0, high=10)
    max_active: int = _setting(1000, "most running requests a worker", low=1)
    max_active_total: int = _setting(0, "most running requests of all workers together; 0 means no bound", low=0)
    max_active_per_user: int = _setting(5, "most running requests a user", low=1)
    max_viewers: int = _setting(10, "most open streams a request", low=1)
    max_streams: int = _setting(1000, "most open streams a worker", low=1)
    max_bytes: int = _setting(512 * 2**20, "most bytes all logs of a worker may hold", low=2**20)
    max_request_bytes: int = _setting(10_000_000, "most bytes one request may hold", low=20_000)
    max_request_events: int = _setting(50_000, "most events one request may have", low=10)
    rates: dict[str, str] = _setting(
        {"chat": "60/minute", "edit": "30/minute", "generate": "20/minute"}, "POSTs a user per mode"
    )
    request_ttl: float = _setting(300.0, "how long a request may go without an event", low=0.1)
    first_chunk_timeout: float = _setting(60.0, "how long until the first part of the answer", low=0.1)
    deadline: float = _setting(1800.0, "how long a request may take in all", low=0.1)
    retention: float = _setting(300.0, "how long an ended request is kept for replay", low=0)
    tombstone: float = _setting(3600.0, "how long an expired id is remembered as gone", low=0)
    unwatched_timeout: float = _setting(60.0, "how long a request waits for its first viewer", low=0.1)
    abandon_timeout: float = _setting(300.0, "how long a request goes on after its last viewer left", low=0.1)
    action_timeout: float = _setting(120.0, "how long the page has to answer an action", low=0.1)
    stall_timeout: float = _setting(60.0, "how long a viewer may take no bytes", low=0.1)
    heartbeat: float = _setting(15.0, "longest silence on a stream", low=2, high=50)
    socket_driver: bool = _setting(
        False,
        "whether streams write their socket themselves; wsgi.py switches it on, middleware around the app forbids it",
    )
    blocked_after: float = _setting(
        0.1, "how long a piece of work may keep the loop before it is logged with its stack; 0 looks at nothing", low=0
    )
    diagnosis: bool = _setting(
        False, "whether the mode doctor is there, by which `flask assistant doctor --url` measures without a model"
    )
    log_format: str = _setting("auto", "log lines as json or text; auto: text in a terminal, json elsewhere")
    metrics_token: str = _setting(
        "", "the bearer token that /metrics asks for; without one everybody may read it", secret=True
    )
    body_timeout: float = _setting(10.0, "how long a request body may take to arrive", low=0.1)
    drain_timeout: float = _setting(55.0, "how long running requests may go on while the server stops", low=0)

    @classmethod
    def load(cls, config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
        """Settings from the environment first, then `config` (a Flask config), then the defaults.

        Raises ConfigError for a value that cannot be used and for an unknown ASSISTANT_* name in `config`. An unknown
        name in the environment is one warning: orchestrators put names of their own there.
        """
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        _check_names(known, config, environ)
        values = {}
        for name, spec in known.items():
            for source in (environ, config):
                if name in source:
                    values[spec.name] = _parse(name, source[name], spec.type, spec.metadata)
                    break
        return cls(**values)


# Names with the prefix that other parts read: hosting hooks, not settings of the server's behaviour.
OTHER_NAMES = frozenset(
    {
        "ASSISTANT_STANDALONE",
        "ASSISTANT_UNPATCHED",
        "ASSISTANT_GREETING",
        "ASSISTANT_NODE",
        "ASSISTANT_URL",
        "ASSISTANT_TOKEN",
    }
)


def _check_names(known: Mapping[str, Any], config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    for source, fatal in ((config, True), (environ, False)):
        for name in source:
            if not str(name).startswith(PREFIX) or name in known or name in OTHER_NAMES:
                continue
            near = difflib.get_close_matches(name, known, 1)
            text = f"unknown setting {name}" + (f"; did you mean {near[0]}?" if near else "")
            if fatal:
                raise ConfigError(text)
            log.warning("%s", text)


def _parse(name: str, value: Any, kind: Any, limits: Mapping[str, Any]) -> Any:
    try:
        parsed = _PARSERS[str(kind)](value)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ConfigError(f"{name}={_shown(value, limits)} cannot be used: {problem}") from None
    if isinstance(parsed, (int, float)) and not isinstance(parsed, bool):
        low, high = limits["low"], limits["high"]
        # "not (a <= b)" also catches nan
        if (
            (low is not None and not parsed >= low)
            or (high is not None and not parsed <= high)
            or parsed == float("inf")
        ):
            raise ConfigError(f"{name}={value} is out of range ({low} to {'any' if high is None else high})")
    return parsed


def _shown(value: Any, limits: Mapping[str, Any]) -> str:
    return "(hidden)" if limits["secret"] else repr(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return value.strip()


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("0 or 1 is needed")


def _int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError("a whole number is needed")
    return int(value)


def _mapping(value: Any) -> dict[str, str]:
    return parse_pairs(value) if isinstance(value, str) else {str(k): str(v) for k, v in value.items()}


def _list(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(part.strip().rstrip("/") for part in parts if part.strip())


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _int,
    "float": float,
    "bool": _flag,
    "dict[str, str]": _mapping,
    "tuple[str, ...]": _list,
}


def is_loopback(host: str) -> bool:
    """Whether this host itself is meant."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
