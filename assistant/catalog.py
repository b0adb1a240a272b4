"""What a team has registered: modes with their handlers, actions, system texts and the history hook."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from .actions import ActionSpec
from .events import Event
from .protocols import HandlerRun

Handler = Callable[[HandlerRun], Generator[Event, Any, None]]
SystemText = Callable[[HandlerRun], str]
History = Callable[[HandlerRun], Sequence[Any]]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Mode:
    """One mode: its handler, the pydantic model of its context, and whether it may run twice after a lost worker."""

    name: str
    handler: Handler
    context: type[BaseModel] | None = None
    safe_to_retry: bool = False


@dataclass(slots=True)
class Catalog:
    """Filled while the app is built; read by every request."""

    modes: dict[str, Mode] = field(default_factory=dict)
    actions: dict[str, ActionSpec] = field(default_factory=dict)
    system: dict[str, SystemText] = field(default_factory=dict)
    history: History | None = None

    def add_mode(self, mode: Mode) -> None:
        """Registers a mode; a later one with the same name replaces it. Raises ValueError for a bad name."""
        self.modes[checked(mode.name)] = mode

    def add_action(self, spec: ActionSpec) -> None:
        """Registers an action; raises ValueError for a bad name or one that is taken."""
        if checked(spec.name) in self.actions:
            raise ValueError(f"the action {spec.name!r} is registered already")
        self.actions[spec.name] = spec

    def offered(self, names: Sequence[str]) -> list[ActionSpec]:
        """The registered actions among `names`, which is what the page says it can run."""
        return [spec for name in names if (spec := self.actions.get(name)) is not None]


def checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name: a small letter, then small letters, digits, - or _ (64 at most)")
    return name
