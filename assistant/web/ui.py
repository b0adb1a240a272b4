"""The window in HTML: what the Jinja macro of `assistant/_chat.html` needs, and the page of the stand-alone server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import Response, has_request_context, render_template, request

from ..run import turn_of
from .assets import assets
from .state import WebState, state

TEMPLATES = Path(__file__).parents[1] / "templates"

# What a visitor chooses from, in this order; modes of a team's own have pages of their own.
_MODES = ("chat", "generate", "edit")
# Scripts, styles and calls from here alone, nothing inline, no text that becomes a script, and no frame around the page.
_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def window(messages: Iterable[Any] = (), examples: Iterable[Any] | None = None) -> dict[str, Any]:
    """What the macro writes: where the routes are, the window's script, the file of its devtools where they are allowed,
    and JSON data.

    `messages` are (role, content) pairs, mappings or objects, oldest first. Raises ValueError for another role.
    """
    web = state()
    data: dict[str, Any] = {"messages": [dict(zip(("role", "content"), turn_of(row), strict=True)) for row in messages]}
    if examples is not None:
        data["examples"] = list(examples)
    return {
        "base": _base(web),
        "script": link("assistant-chat.js"),
        "devtools": link("assistant-devtools.js")["url"] if web.settings.devtools else None,
        "data": data,
    }


def link(name: str) -> dict[str, str]:
    """Where a compiled file is and what its bytes must be."""
    found = assets()[name]
    return {"url": f"{_base(state())}/static/{found.file}", "integrity": found.integrity}


def page() -> Response:
    """GET /: the stand-alone server's page, a window that fills it."""
    web = state()
    settings = web.settings
    html = render_template(
        "assistant/page.html",
        assistant_file=link,
        guests=settings.guests,
        modes=[name for name in _MODES if name in web.catalog.modes],
        model="Built-in demo" if settings.provider == "demo" else settings.model or settings.provider,
        docs=settings.docs_url,
    )
    response = Response(html, mimetype="text/html")
    response.headers.update(_HEADERS)
    return response


def _base(web: WebState) -> str:
    root = request.script_root if has_request_context() else ""
    return root + web.settings.url_prefix
