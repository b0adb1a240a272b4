"""The contract of the routes as an OpenAPI 3.1 document, with one schema per event."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from ..catalog import Catalog
from ..errors import CODES
from ..models import ActionReply, AssistantRequest, Status

_TEXT = {"type": "string"}
_MOMENT = {"type": "integer", "description": "Milliseconds since 1970, UTC."}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}
_EVENT_ID = {"type": "string", "pattern": r"^\d+-\d+$", "description": "<attempt>-<seq>; the cursor behind this event."}


def document(prefix: str, catalog: Catalog) -> dict[str, Any]:
    """The whole document; `prefix` is where the blueprint is mounted."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Assistant",
            "version": "1",
            "description": "POST a request, then stream its events; every accepted request ends in one terminal event.",
        },
        "paths": {prefix + path: item for path, item in _paths().items()},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(catalog),
        },
        "security": [{"bearer": []}],
    }


def _paths() -> dict[str, Any]:
    one = [_parameter("request_id", "path", True)]
    cursors = [_parameter("Last-Event-ID", "header"), _parameter("after", "query")]
    return {
        "/request": {
            "post": _operation("submit", "Submit a request", body="AssistantRequest", ok={"201": "Accepted"},
                               parameters=[_parameter("Idempotency-Key", "header")],
                               problems=(400, 401, 403, 408, 413, 415, 422, 429, 503)),
        },
        "/request/{request_id}": {
            "get": _operation("record", "The request as it stands", ok={"200": "Record"}, parameters=one,
                              problems=(400, 401, 404, 410)),
            "delete": _operation("cancel", "Cancel the request", ok={"200": "Record", "202": None}, parameters=one,
                                 problems=(400, 401, 403, 404, 410, 429)),
        },
        "/request/{request_id}/actions/{action_id}": {
            "post": _operation("answer", "Claim or answer an action", body="ActionReply",
                               ok={"200": "ActionTaken", "202": "ActionTaken"},
                               parameters=[*one, _parameter("action_id", "path", True)],
                               problems=(400, 401, 403, 404, 408, 409, 410, 413, 415, 422)),
        },
        "/requests": {
            "get": _operation("records", "My requests, newest first", ok={"200": "Records"},
                              parameters=[_parameter("track_id", "query"),
                                          _parameter("state", "query", schema={"enum": ["active", "ended"]})],
                              problems=(400, 401)),
        },
        "/stream/{request_id}": {
            "get": _operation("stream_events", "Stream the request's events", ok={"200": "Event", "204": None},
                              parameters=[*one, *cursors], media="text/event-stream",
                              problems=(400, 401, 404, 410, 429, 503)),
        },
        "/session": {
            "post": _operation("session", "A guest's token", ok={"201": "Session"}, problems=(403, 404, 429),
                               secured=False),
        },
        "/openapi.json": {
            "get": _operation("openapi", "This document", ok={"200": None}, problems=(), secured=False),
        },
    }  # fmt: skip


def _operation(
    name: str,
    summary: str,
    *,
    ok: dict[str, str | None],
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    body: str | None = None,
    media: str = "application/json",
    secured: bool = True,
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        status: {"description": "OK"} | ({"content": {media: {"schema": _ref(schema)}}} if schema else {})
        for status, schema in ok.items()
    }
    for status in problems:
        responses[str(status)] = {
            "description": ", ".join(sorted(c.code for c in CODES.values() if c.status == status)) or "Refused",
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    if not secured:
        operation["security"] = []
    return operation


def _parameter(name: str, place: str, required: bool = False, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string", **(schema or {})}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(catalog: Catalog) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    kinds: dict[str, Any] = {"AssistantRequest": AssistantRequest, "ActionReply": ActionReply}
    for name, kind in kinds.items():
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    schemas["AssistantRequest"]["properties"]["mode"]["examples"] = sorted(catalog.modes)
    schemas["ActionArgs"] = {
        "description": "The arguments of each action of this app.",
        "anyOf": [spec.schema() | {"title": spec.name} for _, spec in sorted(catalog.actions.items())] or [{}],
    }
    return schemas | _BODIES | _events()


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, description: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }
    return schema | ({"description": description} if description else {})


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_ACTION = {
    "action_id": _TEXT,
    "name": _TEXT,
    "phase": {"type": "string", "enum": ["proposed", "claimed", "resolved", "expired"]},
    "wants": {"type": "string", "enum": ["nothing", "result", "approval"]},
    "expires_at": _MOMENT,
}
_ACTION_MORE = {
    "args": {"type": "object"},
    "status": {"type": "string", "enum": ["ok", "error", "denied"]},
    "value": {},
}
_PART = {"type": "string", "enum": ["text", "reasoning", "appendix"]}
_APPENDIX = {"kind": _TEXT, "title": _TEXT, "language": _TEXT, "url": _TEXT}

_BODIES: dict[str, Any] = {
    "Accepted": _object(
        {
            "request_id": _TEXT,
            "status": {"const": "accepted"},
            "stream_url": _TEXT,
            "created_at": _MOMENT,
            "expires_at": _MOMENT,
        }
    ),
    "Record": _object(
        {
            "request_id": _TEXT,
            "status": {"type": "string", "enum": [state.value for state in Status]},
            "mode": _TEXT,
            "track_id": _maybe(_TEXT),
            "prompt": _TEXT,
            "created_at": _MOMENT,
            "expires_at": _MOMENT,
            "last_event_id": _EVENT_ID,
            "viewers": {"type": "integer"},
            "pending_actions": _list_of(_ref("Action")),
        },
        {"result": {"anyOf": [_ref("CompleteData"), _ref("ErrorData"), {"type": "null"}]}},
    ),
    "Records": _object({"requests": _list_of(_ref("Record"))}),
    "Session": _object(
        {"access_token": _TEXT, "token_type": {"const": "Bearer"}, "expires_in": _NUMBER, "user_id": _TEXT}
    ),
    "ActionTaken": _object({"action_id": _TEXT, "status": _TEXT}),
    "Problem": _object(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "code": {"type": "string", "examples": sorted(CODES)},
            "kind": {"type": "string", "examples": sorted({code.kind for code in CODES.values()})},
            "retryable": _FLAG,
        },
        {
            "retry_after": _NUMBER,
            "request_id": _TEXT,
            "scope": {"type": "string", "enum": ["active", "rate"]},
            "mode": _TEXT,
            "limit": {"type": "integer"},
            "errors": _list_of(_object({"loc": {"type": "array"}, "msg": _TEXT, "type": _TEXT})),
        },
        "RFC 9457 problem details.",
    ),
}


def _events() -> dict[str, Any]:
    """The payload of each event as `<Name>Data`, and each event as a client sees it."""
    payloads = {
        "stage": _object(
            {
                "stage": _TEXT,
                "label": _TEXT,
                "state": {"type": "string", "enum": ["started", "finished", "failed", "skipped"]},
                "ts": _MOMENT,
            },
            {"index": {"type": "integer"}, "total": {"type": "integer"}, "progress": _NUMBER, "detail": _TEXT},
        ),
        "status": _object(
            {
                "state": {
                    "type": "string",
                    "enum": [
                        "accepted",
                        "running",
                        "waiting_action",
                        "recovering",
                        "cancelling",
                        "reset",
                        "draining",
                        "closing",
                    ],
                },
                "ts": _MOMENT,
            },
            {"reason": _TEXT},
            "Without an id it is a notice for one connection: reset, draining or closing.",
        ),
        "response_chunk": _object(
            {"text": _TEXT, "part": _PART, "index": {"type": "integer"}, "ts": _MOMENT}, _APPENDIX
        ),
        "action": _object({**_ACTION, "ts": _MOMENT}, _ACTION_MORE),
        "complete": _object(
            {
                "outcome": {"type": "string", "enum": ["completed", "cancelled"]},
                "text": _TEXT,
                "parts": _list_of(_ref("Part")),
                "actions": _list_of(_ref("Action")),
                "finish_reason": _TEXT,
                "model": _TEXT,
                "usage": _object({"input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}}),
                "timings": _object({"first_chunk": _maybe(_NUMBER), "total": _NUMBER}),
                "ts": _MOMENT,
            }
        ),
        "error": _object(
            {
                "code": {"type": "string", "examples": sorted(CODES)},
                "message": _TEXT,
                "retryable": _FLAG,
                "retry_after": _maybe(_NUMBER),
                "partial": _object({"text": _TEXT, "parts": _list_of(_ref("Part"))}),
                "trace_id": _maybe(_TEXT),
                "ts": _MOMENT,
            }
        ),
    }
    named = {name: "".join(word.capitalize() for word in name.split("_")) for name in payloads}
    schemas: dict[str, Any] = {
        "Part": _object({"index": {"type": "integer"}, "part": _PART, "text": _TEXT}, _APPENDIX),
        "Action": _object(_ACTION, _ACTION_MORE),
        "Event": {"oneOf": [_ref(f"{title}Event") for title in named.values()]},
    }
    for name, payload in payloads.items():
        schemas[f"{named[name]}Data"] = payload
        schemas[f"{named[name]}Event"] = _object(
            {"event": {"const": name}, "data": _ref(f"{named[name]}Data")}, {"id": _EVENT_ID}
        )
    return schemas
