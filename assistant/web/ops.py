"""The routes for operators and tools: alive, ready, OpenAPI."""

from __future__ import annotations

from flask import Response

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


def openapi() -> Response:
    """GET /openapi.json: the contract of these routes, with the modes and actions of this app."""
    web = state()
    return json_response(document(web.settings.url_prefix, web.catalog))
