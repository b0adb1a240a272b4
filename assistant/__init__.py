"""A POST-then-SSE AI-assistant server for Flask teams.

The names are imported when they are first used: gunicorn reads `assistant.gunicorn` before gevent has patched the process,
and nothing that makes a lock may be imported before that.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .errors import ActionDenied, ActionExpired, ActionFailed, AssistantError
    from .events import action, ask, chunk, stage, status
    from .extension import Assistant
    from .testing import run_handler

_HOMES = {
    "Assistant": "extension",
    "create_app": "app",
    "run_handler": "testing",
    **dict.fromkeys(("ActionDenied", "ActionExpired", "ActionFailed", "AssistantError"), "errors"),
    **dict.fromkeys(("action", "ask", "chunk", "stage", "status"), "events"),
}

__all__ = [
    "ActionDenied",
    "ActionExpired",
    "ActionFailed",
    "Assistant",
    "AssistantError",
    "action",
    "ask",
    "chunk",
    "create_app",
    "run_handler",
    "stage",
    "status",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
