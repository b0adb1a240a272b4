"""The routes of a server as its own OpenAPI document tells them, so that no test forgets a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.web.openapi import document
from tests.integration.server import Server

_BODIES = {"AssistantRequest": {"prompt": "Hello", "mode": "chat"}, "ActionReply": {"status": "denied"}}


@dataclass(frozen=True)
class Route:
    """One method on one path; `body` is one that it takes."""

    method: str
    path: str
    body: Any
    secured: bool
    names: tuple[str, ...]

    def at(self, request_id: str, action_id: str = "act-1") -> str:
        """The path for a request, below the prefix."""
        path = self.path.format(request_id=request_id, action_id=action_id, name="page.js")
        return path.removeprefix("/assistant")

    @property
    def unsafe(self) -> bool:
        return self.method not in ("GET", "HEAD")


def contract(server: Server) -> dict[str, Any]:
    with server.app.app_context():
        return document(server.web.settings.url_prefix, server.web.catalog)


def routes(server: Server) -> list[Route]:
    """Every documented operation, and HEAD wherever there is GET."""
    found = []
    for path, item in contract(server)["paths"].items():
        for method, operation in item.items():
            body = None
            if "requestBody" in operation:
                reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                body = _BODIES[reference.rpartition("/")[2]]
            names = tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == "path")
            secured = operation.get("security") != []
            found += [
                Route(verb, path, body, secured, names)
                for verb in ((method.upper(), "HEAD") if method == "get" else (method.upper(),))
            ]
    return found


def secured(server: Server) -> list[Route]:
    return [route for route in routes(server) if route.secured]
