"""The one blueprint: every route with its method, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response
from flask_cors import CORS

from ..config import Settings
from ..errors import Misconfigured, ServerFull
from ..service import RETRY_FULL
from ..signals import emit, request_rejected, stream_refused
from . import assets, ops, problems, requests, ui
from .limits import Limits
from .loop import of_loop
from .state import state, this_request
from .stream import stream_events, told
from .turnstile import Turnstile

View = Callable[..., Response]

# The header that names the process.
INSTANCE = "Assistant-Instance"
# Each route as rule, method and view.
ROUTES: tuple[tuple[str, str, View], ...] = (
    ("/request", "POST", requests.submit),
    ("/request/<request_id>", "GET", requests.record),
    ("/request/<request_id>", "DELETE", requests.cancel),
    ("/request/<request_id>/actions/<action_id>", "POST", requests.answer),
    ("/requests", "GET", requests.records),
    ("/stream/<request_id>", "GET", stream_events),
    ("/session", "POST", requests.session),
    ("/openapi.json", "GET", ops.openapi),
    ("/static/<name>", "GET", assets.asset),
)
# At the root in the stand-alone app, under the prefix as an extension.
OPS_ROUTES: tuple[tuple[str, str, View], ...] = (
    ("/healthz", "GET", ops.healthz),
    ("/readyz", "GET", ops.readyz),
    ("/metrics", "GET", ops.metrics),
)
# What begins something: all else is about what has begun.
_SUBMIT, _STREAM = (f"assistant.{view.__name__}" for view in (requests.submit, stream_events))
_NEW = frozenset({_SUBMIT, f"assistant.{requests.session.__name__}"})
# In the stand-alone app only.
PAGE_ROUTES: tuple[tuple[str, str, View], ...] = (("/", "GET", ui.page),)


def build(settings: Settings, limits: Limits, *, ops_at_root: bool) -> Blueprint:
    """A fresh blueprint for one app."""
    blueprint = Blueprint("assistant", __name__, url_prefix=settings.url_prefix or None, template_folder=ui.TEMPLATES)
    blueprint.add_app_template_global(ui.window, "assistant_window")
    for rule, method, view in ROUTES + (() if ops_at_root else OPS_ROUTES):
        add_route(blueprint, rule, method, view)
    for _, _, view in ROUTES + OPS_ROUTES + PAGE_ROUTES:
        limits.exempt(view)
    problems.register(blueprint)
    blueprint.before_request(before)
    if not ops_at_root:  # the stand-alone app marks all that it says
        blueprint.after_request(mark)
    if settings.origins:
        CORS(
            blueprint,
            origins=list(settings.origins),
            methods=["GET", "POST", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "traceparent",
                "X-CSRF-TOKEN",
            ],
            expose_headers=[
                INSTANCE,
                "Assistant-Heartbeat",
                "Idempotent-Replayed",
                "Location",
                "Retry-After",
            ],
            supports_credentials=True,
            always_send=False,  # nothing is granted where nobody asks from elsewhere
            max_age=600,
        )
    return blueprint


def add_route(target: Any, rule: str, method: str, view: View) -> None:
    target.add_url_rule(rule, endpoint=view.__name__, view_func=view, methods=[method])


def before() -> None:
    """Before every request of ours. Raises ServerFull when its turn does not come, Misconfigured under several workers with
    a registry of one process."""
    request = this_request()
    web = state()
    if not of_loop(Turnstile).enter(new=request.endpoint in _NEW):
        raise _turned_away(request.endpoint, web.sender)
    if request.environ.get("wsgi.multiprocess") and web.settings.registry.startswith("memory:"):
        raise Misconfigured("Several workers need ASSISTANT_REGISTRY=redis://...; memory:// serves one worker.")
    web.janitor.ensure()


def _turned_away(endpoint: str | None, sender: Any) -> ServerFull:
    """Counted as what the views refuse; who calls has not been looked at."""
    if endpoint == _SUBMIT:
        emit(request_rejected, sender, user_id=None, mode=None, code=ServerFull.code)
    elif endpoint == _STREAM:
        emit(stream_refused, sender, user_id=None, cursor=told(), code=ServerFull.code)
    return ServerFull(retry_after=RETRY_FULL)


def mark(response: Response) -> Response:
    """Names the process on every response of ours."""
    response.headers[INSTANCE] = state().instance
    return response
