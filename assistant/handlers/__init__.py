"""The built-in modes."""

from __future__ import annotations

from ..catalog import Catalog, Handler, Mode, SystemText
from ..models import ModeContext
from . import chat, diagnosis, edit, generate

_MODES: dict[str, tuple[Handler, str]] = {
    "chat": (chat.chat, chat.SYSTEM),
    "generate": (generate.generate, generate.SYSTEM),
    "edit": (edit.edit, edit.SYSTEM),
}


def register(catalog: Catalog) -> None:
    """Adds the built-in modes and their system texts where the team has not put its own."""
    for name, (handler, text) in _MODES.items():
        if name not in catalog.modes:
            catalog.add_mode(Mode(name, handler, context=ModeContext))
            catalog.system.setdefault(name, _fixed(text))


def register_diagnosis(catalog: Catalog) -> None:
    """Adds the mode by which the doctor measures; only where the settings ask for it."""
    catalog.add_mode(Mode(diagnosis.MODE, diagnosis.diagnosis, safe_to_retry=True))


def _fixed(text: str) -> SystemText:
    return lambda _: text
