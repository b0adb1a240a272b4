"""The routes for operators and tools: alive, ready, metrics, OpenAPI."""

from __future__ import annotations

import hmac

from flask import Response, request

from ..errors import NotFound, Unauthorized
from .openapi import document
from .requests import json_response
from .state import state


def healthz() -> Response:
    """GET /healthz: 200 while the process answers."""
    return json_response({"status": "alive"})


def readyz() -> Response:
    """GET /readyz: 200 while new requests may come here, else the problem that speaks against it."""
    state().service.ready()
    return json_response({"status": "ready"})


def metrics() -> Response:
    """GET /metrics: the counters of all workers, for whoever bears ASSISTANT_METRICS_TOKEN where that is set."""
    web = state()
    if (wanted := web.settings.metrics_token) and not _bears(wanted):
        raise Unauthorized("The metrics need their own token.")
    if web.metrics is None:
        raise NotFound("There are no metrics: install prometheus-client (pip install 'assistant-server[metrics]').")
    body, kind = web.metrics.scrape()
    response = Response(body, content_type=kind)
    response.headers["Cache-Control"] = "no-store"
    return response


def _bears(token: str) -> bool:
    """Whether the request bears this token; takes as long for one that is nearly right as for one that is not."""
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {token}".encode())


def openapi() -> Response:
    """GET /openapi.json: the contract of these routes, with the modes and actions of this app."""
    web = state()
    return json_response(document(web.settings.url_prefix, web.catalog))
