"""For integrators' tests: a scripted clock and model, handlers without a server, apps without a network, and the
contract that a registry keeps.

`RegistryContract` is imported when it is first asked for: it needs pytest, and an application does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .apps import SECRET, make_app, parse_sse
from .handlers import run_handler
from .scripted import FakeClock, ScriptedProvider

if TYPE_CHECKING:
    from .contract import RegistryContract

__all__ = ["SECRET", "FakeClock", "RegistryContract", "ScriptedProvider", "make_app", "parse_sse", "run_handler"]


def __getattr__(name: str) -> Any:
    if name == "RegistryContract":
        return import_module(".contract", __name__).RegistryContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
