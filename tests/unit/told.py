"""What the product's texts claim, held against the code: settings, commands, routes, samples."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask

from assistant import Assistant
from assistant.cli import commands
from assistant.config import OTHER_NAMES, PREFIX, Settings
from assistant.errors import CODES
from assistant.testing import SECRET, ScriptedProvider, make_app

ROOT = Path(__file__).parents[2]

# A page that names a family of settings, as in `ASSISTANT_...`, names none.
_SETTING = re.compile(r"\bASSISTANT_[A-Z][A-Z_]*[A-Z]\b")
# `NAME` (60 s), `NAME` seconds (15), and in a table | 60 s | `NAME` |
_DEFAULT = re.compile(
    r"`(ASSISTANT_\w+)`(?: seconds)? \(([\d,]+)(?: s)?[,)]"
    r"|\| ?(?:[^|]*, )?([\d,]+)(?: s)? \| `(ASSISTANT_\w+)`"
)
_TARGET = re.compile(r"(?:`|^|; |&& |[A-Z_]+=\S* )make ([a-z-]+)", re.M)
_COMMAND = re.compile(r"flask (?:--app \S+ )?assistant ([a-z-]+)")
_ROUTE = re.compile(r"(?<![\w.$-])/assistant(/[a-z][\w{}./-]*)|\$BASE(/[a-z]\w*)")


def broken_claims(text: str) -> list[str]:
    """The names in a text that stand for nothing."""
    defaults = {PREFIX + spec.name.upper(): getattr(Settings(), spec.name) for spec in fields(Settings)}
    broken = [name for name in _SETTING.findall(text) if name not in defaults.keys() | OTHER_NAMES]
    for before, amount, number, after in _DEFAULT.findall(text):
        name, told = before or after, float((amount or number).replace(",", ""))
        broken += [f"{name} is {told:g}"] if name in defaults and defaults[name] != told else []
    broken += [f"make {name}" for name in _TARGET.findall(text) if name not in make_targets()]
    broken += [f"flask assistant {name}" for name in _COMMAND.findall(text) if name not in commands.commands]
    return broken + [route for match in _ROUTE.finditer(text) if not is_route(route := match[1] or match[2])]


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@cache
def routes() -> frozenset[str]:
    """The routes of the stand-alone server and of the extension, below the prefix, with `{}` for each parameter."""
    embedded = Flask("host")
    embedded.secret_key = SECRET
    Assistant(embedded)
    rules = [str(rule) for app in (make_app(), embedded) for rule in app.url_map.iter_rules()]
    return frozenset(re.sub(r"<\w+>", "{}", rule).removeprefix("/assistant") for rule in rules)


def is_route(path: str) -> bool:
    """Whether a path, as people write it, begins a route: `/request`, `/request/{request_id}`, `/stream`."""
    path = re.sub(r"\{\w+\}", "{}", path).rstrip("/.")
    return any(route == path or route.startswith(path + "/") for route in routes())


def execute(*samples: str) -> None:
    """Runs the Python samples of one page in order, in one namespace that has an `app` and its `assistant`."""
    app = Flask("sample")
    app.secret_key = SECRET
    codes, environ = dict(CODES), dict(os.environ)
    os.environ |= {"SECRET_KEY": SECRET, "JWT_SECRET_KEY": SECRET}
    names: dict[str, Any] = {"__name__": "sample", "app": app, "assistant": Assistant(app, provider=ScriptedProvider())}
    try:
        for sample in samples:
            exec(compile(sample, "<sample>", "exec"), names)
    finally:
        CODES.clear()  # a sample may add a code of its own to the table of this process
        CODES.update(codes)
        os.environ.clear()
        os.environ.update(environ)
        names.clear()  # signals hold their receivers weakly: this ends those of the samples
