"""create_app(): the stand-alone server."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from .config import ConfigError
from .extension import Assistant
from .observability import logs
from .web import blueprint, handover, problems
from .web.secrets import SECRET_BYTES

# Environment names that go into the Flask config for the extensions that read it.
_PASSED = ("JWT_", "RATELIMIT_", "SECRET_KEY")


def create_app(
    config: Mapping[str, Any] | None = None, *, assistant: Assistant | None = None, instance_path: str | None = None
) -> Flask:
    """A Flask app with the assistant at ASSISTANT_URL_PREFIX and health at the root.

    Settings: environment, then `config`, then instance/config.py, then defaults. Raises ConfigError.
    """
    app = Flask("assistant", instance_path=instance_path or str(Path.cwd() / "instance"), static_folder=None)
    app.config.from_pyfile(str(Path(app.instance_path) / "config.py"), silent=True)
    app.config.update(config or {})
    app.config.update(_from_environment())
    app.config["ASSISTANT_STANDALONE"] = True
    assistant = assistant or Assistant()
    if assistant.identify is None:
        _ensure_secret(app)
    logs.configure()
    assistant.init_app(app)
    logs.configure(app.extensions["assistant"].settings.log_format)
    for rule, method, view in blueprint.OPS_ROUTES + blueprint.PAGE_ROUTES:
        blueprint.add_route(app, rule, method, view)
    problems.register(app)
    app.after_request(_hardened(app.extensions["assistant"].instance))
    settings = app.extensions["assistant"].settings
    if proxies := settings.proxies:
        # not Host and Prefix: nginx passes those on from clients, and its own Host line does the same job
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    if settings.socket_driver:
        handover.install(app)  # outermost
    return app


def _from_environment() -> dict[str, Any]:
    return {
        name: value if name.endswith("_KEY") else _parsed(value)  # a key of digits is a text all the same
        for name, value in os.environ.items()
        if name.startswith(_PASSED)
    }


def _parsed(value: str) -> Any:
    """Numbers, flags and lists as JSON; everything else is text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _ensure_secret(app: Flask) -> None:
    """A secret of this host when the team has set none: in instance/secret, readable by the owner alone."""
    if app.config.get("JWT_SECRET_KEY") or app.config.get("JWT_PUBLIC_KEY") or app.secret_key:
        return
    path = Path(app.instance_path) / "secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
    app.config["JWT_SECRET_KEY"] = path.read_text().strip()
    if not app.config["JWT_SECRET_KEY"]:
        raise ConfigError(f"{path} is empty; remove it and start again")


# What answers to programs let a browser do, should it show one as a page: nothing, in no frame.
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


def _hardened(instance: str) -> Callable[[Response], Response]:
    def hardened(response: Response) -> Response:
        headers = response.headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Content-Security-Policy", _NO_PAGE)
        headers[blueprint.INSTANCE] = instance
        return response

    return hardened
