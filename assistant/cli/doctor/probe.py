"""Looks at a set-up in a process of its own, and prints what it sees as JSON.

Run as a file: importing the package would import Flask before the app's own module has patched anything, which is one of
the things to be found out. Arguments: the app's module, the app in it (or nothing), and how gunicorn is started.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import shlex
import sys
import warnings
from typing import Any

# Modules that take down names of the standard library when they are imported: patched later, those are the native ones.
_EARLY = ("flask", "werkzeug", "requests", "urllib3", "httpx", "sqlalchemy", "redis", "botocore", "grpc", "psycopg2")
# Clients in C that wait where gevent does not see it.
_BLOCKING = ("psycopg2", "grpc", "MySQLdb", "pyodbc", "cx_Oracle", "pylibmc", "zmq")
# Words that secrets of examples are made of.
_WEAK = ("secret", "change", "password", "example", "test", "dev", "12345", "default", "assistant")
# Different characters that a random secret of 32 bytes has at the very least.
_DIFFERENT = 12
_ELSEWHERE = "https://elsewhere.invalid"


def main(module: str, name: str, gunicorn: str) -> dict[str, Any]:
    sys.path[0] = os.getcwd()
    facts: dict[str, Any] = _loaded(module, name)
    facts["blocking"] = _blocking()
    facts["gunicorn"] = _gunicorn(gunicorn)
    facts["descriptors"] = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return facts


# --- the app ---------------------------------------------------------------------------------------------------
def _loaded(module: str, name: str) -> dict[str, Any]:
    from gevent import monkey

    found: dict[str, Any] = {"early": [], "warnings": []}
    patch_all = monkey.patch_all

    def spied(*given: Any, **named: Any) -> Any:
        if not monkey.is_module_patched("threading"):
            found["early"] = [one for one in _EARLY if one in sys.modules]
        return patch_all(*given, **named)

    monkey.patch_all = spied
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            app = _app(importlib.import_module(module), name)
        except BaseException as problem:  # also the exit of a wsgi.py that has said why
            found["problem"] = f"{type(problem).__name__}: {problem}"
        else:
            found |= _of_app(app)
    found["warnings"] = [str(one.message) for one in said if "MonkeyPatch" in one.category.__name__]
    found["patched"] = all(monkey.is_module_patched(one) for one in ("threading", "socket", "time"))
    return found


def _app(module: Any, name: str) -> Any:
    from flask.cli import find_app_by_string, find_best_app

    return find_app_by_string(module, name) if name else find_best_app(module)


def _of_app(app: Any) -> dict[str, Any]:
    web = app.extensions.get("assistant")
    if web is None:
        return {"problem": "the app has no Assistant"}
    settings = web.settings
    return {
        "settings": {
            name: getattr(settings, name)
            for name in (
                "registry",
                "guests",
                "heartbeat",
                "max_streams",
                "drain_timeout",
                "url_prefix",
                "socket_driver",
            )
        },
        "origins": list(settings.origins),
        "metrics_token": bool(settings.metrics_token),
        "weak_secret": _weak(app) if web.auth.by_token or settings.guests else "",
        "cors": _cors(app, settings.url_prefix),
    }


def _weak(app: Any) -> str:
    """Why the secret that signs tokens can be guessed; the secret itself stays here."""
    if not str(app.config.get("JWT_ALGORITHM", "HS256")).startswith("HS"):
        return ""
    secret = app.config.get("JWT_SECRET_KEY") or app.secret_key or ""
    text = secret.decode("latin-1") if isinstance(secret, bytes) else str(secret)
    if len(set(text)) < _DIFFERENT:
        return f"it has {len(set(text))} different characters"
    word = next((word for word in _WEAK if word in text.lower()), "")
    return f"it holds the word {word!r}" if word else ""


def _cors(app: Any, prefix: str) -> str:
    """What a page from anywhere is told that it may do."""
    asked = {"Origin": _ELSEWHERE, "Access-Control-Request-Method": "POST"}
    headers = app.test_client().options(f"{prefix}/request", headers=asked).headers
    return str(headers.get("Access-Control-Allow-Origin", ""))


def _blocking() -> list[str]:
    return [name for name in _BLOCKING if name in sys.modules and not _cooperates(name)]


def _cooperates(name: str) -> bool:
    """Whether somebody has told this library how to wait under gevent."""
    if name == "psycopg2":
        extensions = sys.modules.get("psycopg2.extensions")
        return extensions is not None and extensions.get_wait_callback() is not None
    return name == "grpc" and "grpc.experimental.gevent" in sys.modules


# --- gunicorn --------------------------------------------------------------------------------------------------
def _gunicorn(arguments: str) -> dict[str, Any]:
    from gunicorn.app.wsgiapp import WSGIApplication

    sys.argv = ["gunicorn", *shlex.split(arguments), "app:app"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            cfg = WSGIApplication("%(prog)s").cfg
    except BaseException as problem:  # gunicorn exits over what it cannot read, and has said why
        return {"problem": (said.getvalue().strip() or f"{type(problem).__name__}: {problem}").splitlines()[-1]}
    worker = cfg.settings["worker_class"].get()
    return {
        "worker_class": worker if isinstance(worker, str) else f"{worker.__module__}.{worker.__qualname__}",
        "threads": cfg.threads,
        "workers": cfg.workers,
        "worker_connections": cfg.worker_connections,
        "preload": cfg.preload_app,
        "graceful_timeout": cfg.graceful_timeout,
        "keepalive": cfg.keepalive,
        "bind": list(cfg.bind),
        "hooked": getattr(cfg.post_worker_init, "__module__", "") == "assistant.gunicorn",
    }


if __name__ == "__main__":
    printed = os.dup(1)
    os.dup2(2, 1)  # an app that prints while it is imported prints elsewhere
    text = json.dumps(main(*sys.argv[1:4]), default=str)
    os.write(printed, b"\n" + text.encode())
    os._exit(0)  # an app may have begun what would not end by itself
