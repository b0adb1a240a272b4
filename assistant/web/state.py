"""What the routes of one app share; made by the wiring, found through the current app."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Request, current_app, request

from ..catalog import Catalog
from ..config import Settings
from ..janitor import Janitor
from ..observability.metrics import Metrics
from ..service import AssistantService
from .auth import Authenticator
from .limits import Limits

EXTENSION = "assistant"


@dataclass(slots=True, eq=False, weakref_slot=True)
class WebState:
    """`instance` is random per process: a load-balancer mistake shows at once. `metrics` is None where nothing counts."""

    service: AssistantService
    catalog: Catalog
    settings: Settings
    janitor: Janitor
    auth: Authenticator
    limits: Limits
    instance: str
    sender: Flask
    metrics: Metrics | None = None


def state() -> WebState:
    """The state of the app that serves the current request."""
    found: WebState = current_app.extensions[EXTENSION]
    return found


def this_request() -> Request:
    """The current request itself. Each use of flask's `request` looks it up anew: for what asks it several times."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found
