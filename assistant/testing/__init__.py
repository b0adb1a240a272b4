"""For integrators' tests: a scripted clock and model, handlers without a server, apps without a network, a client of them,
a pytest plugin (`-p assistant.testing.plugin`), and the contract that a registry keeps.

The names are imported when they are first used: the plugin patches before anything else is imported, and
`RegistryContract` needs pytest, which an application does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .apps import SECRET, make_app, parse_sse
    from .client import Answer, AssistantClient
    from .contract import RegistryContract
    from .handlers import run_handler
    from .scripted import FakeClock, ScriptedProvider

_HOMES = {
    **dict.fromkeys(("SECRET", "make_app", "parse_sse"), "apps"),
    **dict.fromkeys(("Answer", "AssistantClient"), "client"),
    **dict.fromkeys(("FakeClock", "ScriptedProvider"), "scripted"),
    "RegistryContract": "contract",
    "run_handler": "handlers",
}

__all__ = [
    "SECRET",
    "Answer",
    "AssistantClient",
    "FakeClock",
    "RegistryContract",
    "ScriptedProvider",
    "make_app",
    "parse_sse",
    "run_handler",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
