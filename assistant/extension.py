"""Assistant: the Flask extension, and the only place where the parts are wired together."""

from __future__ import annotations

import inspect
import logging
import os
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from weakref import WeakSet

import click
from flask import Flask
from flask_jwt_extended import JWTManager
from pydantic import BaseModel

from . import handlers, providers
from .actions import ActionSpec, Wants
from .catalog import Catalog, Handler, History, Mode, SystemText
from .cli import commands
from .clock import Clock
from .config import ConfigError, Settings, is_loopback
from .janitor import Janitor
from .observability import logs, metrics
from .protocols import LLMProvider, RequestRegistry
from .providers import demo
from .registry.memory import MemoryRegistry
from .runner import TaskRunner
from .service import AssistantService
from .stalls import StallMonitor
from .viewer import Viewers
from .web import blueprint, handover
from .web.auth import Authenticator, Identify
from .web.limits import Limits
from .web.secrets import check_secret
from .web.state import EXTENSION, WebState
from .web.tokens import own_key_loader

log = logging.getLogger("assistant")

M = TypeVar("M", bound=type[BaseModel])

# Scheme, host and port, as a browser writes them in Origin (RFC 6454, section 6.2): no pattern of any kind.
_ORIGIN = re.compile(r"[a-z][a-z0-9.-]*://[a-z0-9._-]+(:[0-9]{1,5})?")

# The installations of this process, so that the server's hooks can drain them all.
_installed: WeakSet[WebState] = WeakSet()


class Assistant:
    """What a team builds its assistant with: modes, actions, system texts, a history hook, a provider.

    `identify` returns the user's id, or None for nobody, in place of JWT. `provider` replaces ASSISTANT_PROVIDER.
    One Assistant may serve several apps; they share what is registered here and nothing else.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        identify: Identify | None = None,
        provider: LLMProvider | None = None,
        registry: RequestRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.catalog = Catalog()
        self.identify = identify
        self.provider = provider
        self._registry = registry
        self._clock = clock or Clock()
        handlers.register(self.catalog)
        if app is not None:
            self.init_app(app)

    # --- what a team registers ---
    def handler(
        self, mode: str, *, context: type[BaseModel] | None = None, safe_to_retry: bool = False
    ) -> Callable[[Handler], Handler]:
        """Registers a generator function as the handler of a mode; it replaces a built-in one of that name.

        `context` is a pydantic model that the request's context must fit (400 otherwise). `safe_to_retry` says that the
        handler may run twice when its worker is lost.
        """

        def register(function: Handler) -> Handler:
            if not inspect.isgeneratorfunction(inspect.unwrap(function)):
                raise TypeError(f"the handler of mode {mode!r} must be a generator function: it yields events")
            self.catalog.add_mode(Mode(mode, function, context, safe_to_retry))
            return function

        return register

    def action(self, name: str, *, wants: Wants = "nothing", result: Any = None) -> Callable[[M], M]:
        """Registers a pydantic model as the arguments of an action. `wants` says what a handler gets back: nothing, the
        page's result, or the user's approval; `result` is the type that a result must fit (422 otherwise)."""

        def register(model: M) -> M:
            description = inspect.cleandoc(model.__doc__ or "")
            self.catalog.add_action(ActionSpec(name, model, wants, result, description))
            return model

        return register

    def system(self, mode: str) -> Callable[[SystemText], SystemText]:
        """Registers the system text of a mode: a function of the run that returns it."""

        def register(function: SystemText) -> SystemText:
            self.catalog.system[mode] = function
            return function

        return register

    def history(self, function: History) -> History:
        """Registers where earlier turns come from: a function of the run that returns (role, content) pairs, mappings
        or objects, oldest first. It replaces what the client sends in `context.history`."""
        self.catalog.history = function
        return function

    # --- wiring ---
    def init_app(self, app: Flask) -> None:
        """Adds the routes to an app. Raises ConfigError, in one line, when it cannot work.

        Call it after the app's own JWTManager, Limiter and CSRFProtect: what is there is used, what is missing is made.
        A CSRFProtect that comes later guards our routes as well, until `csrf.exempt(app.blueprints["assistant"])`.
        """
        require_patched(app)
        settings = Settings.load(app.config, os.environ)
        check(settings)
        if self.identify is None:
            _ensure_jwt(app, settings)
        check_debugging(app, settings, _told_to_listen_on())
        if settings.diagnosis:
            handlers.register_diagnosis(self.catalog)
        llm = self.provider or providers.build(settings)
        if isinstance(llm, demo.DemoProvider):
            for spec in demo.ACTIONS:
                if spec.name not in self.catalog.actions:
                    self.catalog.add_action(spec)
        web = self._wire(app, settings, llm)
        app.extensions[EXTENSION] = web
        _installed.add(web)
        routes = blueprint.build(settings, web.limits, ops_at_root=bool(app.config.get("ASSISTANT_STANDALONE")))
        if (csrf := app.extensions.get("csrf")) is not None:  # its job is done by the Origin check
            csrf.exempt(routes)
        app.register_blueprint(routes)
        app.cli.add_command(commands)
        logs.listen(app)
        if settings.socket_driver and not app.config.get(
            "ASSISTANT_STANDALONE"
        ):  # create_app puts more around it first
            handover.install(app)

    def _wire(self, app: Flask, settings: Settings, llm: LLMProvider) -> WebState:
        registry = self._registry or build_registry(settings, self._clock)
        viewers = Viewers(settings.max_streams)
        runner = TaskRunner(
            registry, self.catalog, llm, settings, clock=self._clock, sender=app, context=app.app_context
        )
        service = AssistantService(registry, runner, viewers, self.catalog, settings, clock=self._clock, sender=app)
        janitor = Janitor(
            registry,
            viewers,
            settings,
            runs=runner.runs,
            overrun=runner.overrun,
            abandon=runner.abandon,
            recover=runner.recover,
            extra=(service.drain_step, service.send_away),
            during=StallMonitor(settings.blocked_after, sender=app).watching,
            clock=self._clock,
            sender=app,
        )
        return WebState(
            service=service,
            catalog=self.catalog,
            settings=settings,
            janitor=janitor,
            auth=Authenticator(app, settings, self.identify),
            limits=Limits(app, settings, _rates_storage(settings)),
            instance=uuid.uuid4().hex[:12],
            sender=app,
            metrics=metrics.listen(app, registry, _named(llm)),
        )


def installed() -> list[WebState]:
    """The installations of this process that are still alive."""
    return list(_installed)


def _named(llm: LLMProvider) -> str:
    """What metrics call a provider: the name of its class, as `openai` for OpenAIProvider."""
    name = type(llm).__name__
    return (name.removesuffix("Provider") or name).lower()


def native_lock() -> AbstractContextManager[Any]:
    """A lock of the operating system's threads, whether or not gevent has put its own in their place."""
    from gevent import monkey

    lock: AbstractContextManager[Any] = monkey.get_original("_thread", "allocate_lock")()
    return lock


def require_patched(app: Flask) -> None:
    """Raises ConfigError when threads are native: then a greenlet would never get its turn, or freeze the process."""
    from gevent import monkey

    if not monkey.is_module_patched("threading") and not app.config.get("ASSISTANT_UNPATCHED"):
        raise ConfigError(
            "gevent has not patched this process: make `from gevent import monkey; monkey.patch_all()` the first line "
            "of wsgi.py, and serve with gunicorn's gevent worker"
        )


def check(settings: Settings) -> None:
    """Raises ConfigError for settings that each may stand, but not together."""
    if settings.log_format not in logs.FORMATS:
        raise ConfigError(f"ASSISTANT_LOG_FORMAT={settings.log_format!r} is none of {', '.join(logs.FORMATS)}")
    for origin in settings.origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"ASSISTANT_ORIGINS: {origin!r} is not an origin like https://app.example.com; each is named in full, "
                "without patterns: logins travel with the requests"
            )
    if settings.url_prefix and not settings.url_prefix.startswith("/"):
        raise ConfigError("ASSISTANT_URL_PREFIX begins with /")


def check_debugging(app: Flask, settings: Settings, host: str | None) -> None:
    """Raises ConfigError for a debugger where anybody may come in: guests are on, and others can reach the server.

    `host` is where it listens; None when that is not known.
    """
    reachable = settings.proxies > 0 or (host is not None and not is_loopback(host))
    if app.debug and settings.guests and reachable:
        raise ConfigError(
            "FLASK_DEBUG and ASSISTANT_GUESTS are both on, and others than this host can reach the server: "
            "switch one of them off, or listen on 127.0.0.1"
        )


def _told_to_listen_on() -> str | None:
    """The host that `flask run` was told, when that is what loads the app; gunicorn's hook knows its own."""
    command = click.get_current_context(silent=True)
    host = command.params.get("host") if command is not None else None
    return str(host) if host else None


def build_registry(settings: Settings, clock: Clock) -> RequestRegistry:
    """The registry that the settings name; it connects to nothing yet. Raises ConfigError."""
    if settings.registry.startswith("memory:"):
        return MemoryRegistry(settings, clock, native_lock())
    try:
        from .registry.redis import RedisRegistry  # late: the package redis is an extra
    except ModuleNotFoundError:
        raise ConfigError(
            "ASSISTANT_REGISTRY names Redis, and its client is not installed: pip install 'assistant-server[redis]'"
        ) from None
    return RedisRegistry(settings, clock)


def _rates_storage(settings: Settings) -> dict[str, Any] | None:
    """Request rates are counted where requests live."""
    if settings.registry.startswith("memory:"):
        return None
    from .registry.redis.rates import limiter_storage  # late: see build_registry

    return limiter_storage(settings.registry, settings.redis_prefix)


def _ensure_jwt(app: Flask, settings: Settings) -> None:
    """A JWTManager of our own only where the app has none: a second one would replace the app's answers."""
    if "flask-jwt-extended" not in app.extensions:
        app.config.setdefault("JWT_DECODE_LEEWAY", 10)
        JWTManager(app)
    algorithm = str(app.config["JWT_ALGORITHM"])
    own_keys = own_key_loader(app.extensions["flask-jwt-extended"])
    if algorithm.startswith("HS"):
        # a key loader of the app's own checks tokens; guests' tokens and cookies are signed with the secret all the same
        if settings.guests or not own_keys:
            secret = app.config.get("JWT_SECRET_KEY") or app.secret_key
            check_secret(secret, examples=app.debug or app.testing)
        return
    if not algorithm.startswith(("RS", "PS", "ES", "Ed")):  # above all `none`, with which anybody is anybody
        raise ConfigError(f"JWT_ALGORITHM={algorithm} signs nothing that can be checked; use HS256 or RS256")
    if not app.config.get("JWT_PUBLIC_KEY") and not own_keys:
        raise ConfigError(f"JWT_ALGORITHM={algorithm} needs JWT_PUBLIC_KEY")
    if settings.guests and not app.config.get("JWT_PRIVATE_KEY"):
        raise ConfigError(
            f"ASSISTANT_GUESTS with JWT_ALGORITHM={algorithm} needs JWT_PRIVATE_KEY to sign guests' tokens"
        )
