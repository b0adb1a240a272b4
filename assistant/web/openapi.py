"""The contract of the routes as an OpenAPI 3.1 document, with one schema per event."""

from __future__ import annotations

from typing import Any

from flask import current_app
from pydantic import TypeAdapter

from ..catalog import Catalog
from ..errors import CODES
from ..models import REQUEST_ID, ActionReply, AssistantRequest, ModeContext, Status
from . import poll

_TEXT = {"type": "string"}
_MOMENT = {"type": "integer", "description": "Milliseconds since 1970, UTC."}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_REQUEST_ID = {"type": "string", "description": "<YYYYMMDDThhmmssmmmZ>-<uuid4>"}
_FLAG = {"type": "boolean"}
_WAIT = {"type": "number", "minimum": 0, "maximum": poll.LONGEST, "description": "Longest wait for an event; seconds."}
_EVENT_ID = {"type": "string", "pattern": r"^\d+-\d+$", "description": "<attempt>-<seq>; the cursor behind this event."}


def document(prefix: str, catalog: Catalog) -> dict[str, Any]:
    """The whole document of the current app; `prefix` is where the blueprint is mounted."""
    ops = "" if current_app.config.get("ASSISTANT_STANDALONE") else prefix  # where health answers
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Assistant",
            "version": "1",
            "description": "POST a request, then stream its events; every accepted request ends in one terminal event.",
        },
        "paths": {prefix + path: item for path, item in _paths().items()}
        | {ops + path: item for path, item in _ops_paths().items()}
        | (_page_paths() if current_app.config.get("ASSISTANT_STANDALONE") else {}),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {"Problem": _content("A refusal.", "Problem", media="application/problem+json")},
            "schemas": _schemas(catalog),
        },
        "security": [{"bearer": []}],
    }


def _paths() -> dict[str, Any]:
    one = [_parameter("request_id", "path", True, schema={"pattern": f"^{REQUEST_ID}$"})]
    cursors = [_parameter("Last-Event-ID", "header"), _parameter("after", "query")]
    heartbeat = {"Assistant-Heartbeat": {"description": "Longest silence in seconds.", "schema": _NUMBER}}
    return {
        "/request": {
            "post": _operation("submit", "Submit a request", body="AssistantRequest", ok={"201": "Accepted"},
                               headers={"Location": {"schema": _TEXT}, "Idempotent-Replayed": {"schema": {"const": "true"}}},
                               parameters=[_parameter("Idempotency-Key", "header",
                                                      schema={"pattern": r"^[\x21-\x7e]{1,255}$"})],
                               problems=(400, 401, 403, 408, 413, 415, 422, 429, 503)),
        },
        "/request/{request_id}": {
            "get": _operation("record", "The request as it stands; with `after` or `wait` a page of its events",
                              ok={"200": "RecordOrPage"},
                              parameters=[*one, *cursors, _parameter("wait", "query", schema=_WAIT)],
                              problems=(400, 401, 404, 410, 429, 503)),
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
                              headers=heartbeat,
                              problems=(400, 401, 404, 410, 429, 503)),
        },
        "/session": {
            "post": _operation("session", "A guest's token", ok={"201": "Session"}, problems=(403, 404, 429, 503),
                               secured=False),
        },
        "/openapi.json": {
            "get": _operation("openapi", "This document", ok={"200": "Document"}, problems=(), secured=False),
        },
        "/static/{name}": {
            "get": _operation("asset", "A compiled file of the window", ok={"200": "File", "304": None},
                              parameters=[_parameter("name", "path", True)], media="*/*", problems=(404,), secured=False),
        },
    }  # fmt: skip


def _page_paths() -> dict[str, Any]:
    page = _operation(
        "page", "The page with a window", ok={"200": "Html"}, media="text/html", problems=(), secured=False
    )
    return {"/": {"get": page}}


def _ops_paths() -> dict[str, Any]:
    return {
        "/healthz": {
            "get": _operation("healthz", "Whether the process answers", ok={"200": "Alive"}, problems=(), secured=False)
        },
        "/readyz": {
            "get": _operation(
                "readyz", "Whether new requests may come here", ok={"200": "Ready"}, problems=(503,), secured=False
            )
        },
        "/metrics": {
            "get": _operation(
                "metrics",
                "Counters for Prometheus; with a bearer token where one is set",
                ok={"200": "Metrics"},
                media="text/plain",
                problems=(401, 404),
                secured=False,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    *,
    ok: dict[str, str | None],
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    body: str | None = None,
    headers: dict[str, Any] | None = None,
    media: str = "application/json",
    secured: bool = True,
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        status: _content("OK", schema, media=media) | ({"headers": headers} if headers and schema else {})
        for status, schema in ok.items()
    }
    for status in problems:
        codes = ", ".join(sorted(error.code for error in CODES.values() if error.status == status))
        responses[str(status)] = _content(codes or "invalid_request", "Problem", media="application/problem+json")
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    if not secured:
        operation["security"] = []
    return operation


def _content(description: str, schema: str | None, *, media: str) -> dict[str, Any]:
    return {"description": description} | ({"content": {media: {"schema": _ref(schema)}}} if schema else {})


def _parameter(name: str, place: str, required: bool = False, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string", **(schema or {})}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(catalog: Catalog) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    kinds: dict[str, Any] = {
        "AssistantRequest": AssistantRequest,
        "ActionReply": ActionReply,
        "ModeContext": ModeContext,
    }
    for name, kind in kinds.items():
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    schemas["AssistantRequest"]["properties"]["mode"]["examples"] = sorted(catalog.modes)
    schemas["ActionArgs"] = {
        "description": "The arguments of each action of this app.",
        "anyOf": [spec.schema() | {"title": spec.name} for _, spec in sorted(catalog.actions.items())] or [{}],
    }
    return schemas | _bodies() | _events()


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


_ACTION: dict[str, Any] = {
    "action_id": _TEXT,
    "name": _TEXT,
    "phase": {"type": "string", "enum": ["proposed", "claimed", "resolved", "expired"]},
    "wants": {"type": "string", "enum": ["nothing", "result", "approval"]},
    "expires_at": _MOMENT,
}
_ARGS = {"args": {"type": "object", "description": "Validated by the server; see ActionArgs."}}
_ANSWER: dict[str, Any] = {
    "status": {"type": "string", "enum": ["ok", "error", "denied"], "description": "Once resolved."},
    "value": {"description": "Once resolved: what the page answered."},
}
_COMMON = {
    "request_id": _REQUEST_ID,
    "status": {"type": "string", "enum": [state.value for state in Status]},
    "mode": _TEXT,
    "track_id": {"anyOf": [_TEXT, {"type": "null"}]},
    "prompt": _TEXT,
    "created_at": _MOMENT,
    "expires_at": _MOMENT,
    "last_event_id": _EVENT_ID,
    "viewers": _COUNT,
    "pending_actions": {"type": "array", "items": {"$ref": "#/components/schemas/PendingAction"}},
}
_PART = {"type": "string", "enum": ["text", "reasoning", "appendix"]}
_APPENDIX = {"kind": _TEXT, "title": _TEXT, "language": _TEXT, "url": _TEXT}


def _bodies() -> dict[str, Any]:
    """What the routes answer. Made when it is asked for: a team may add codes of its own to the table of errors."""
    result = {"anyOf": [_ref("CompleteData"), _ref("ErrorData"), {"type": "null"}]}
    return {
        "Accepted": _object(
            {
                "request_id": _REQUEST_ID,
                "status": {"type": "string", "const": "accepted"},
                "stream_url": _TEXT,
                "created_at": _MOMENT,
                "expires_at": _MOMENT,
            }
        ),
        "Record": _object(
            {**_COMMON, "usage": _ref("Usage"), "result": result},
            description="`result` is the end's data, null before it.",
        ),
        "Usage": _object(
            {
                "duration": {"type": "number", "minimum": 0, "description": "Seconds, so far or in all."},
                **{key: {"type": "integer", "minimum": 0} for key in ("events", "bytes", "viewers")},
                **{key: {"type": ["integer", "null"]} for key in ("input_tokens", "output_tokens")},
            },
            description="What the request has used; `viewers` have come in all. Tokens are told with a whole answer.",
        ),
        "Page": _object(
            {
                "events": _list_of(_ref("Event")),
                "notices": _list_of(_ref("StatusData")),
                "next": {**_EVENT_ID, "description": "The cursor to come back with."},
                "closed": _FLAG,
            },
            description="The JSON form of a stream; `closed` says that nothing follows this page.",
        ),
        "RecordOrPage": {"anyOf": [_ref("Record"), _ref("Page")]},
        "Records": _object({"requests": _list_of(_ref("ListedRecord"))}),
        "ListedRecord": _object(_COMMON, description="A record without its result."),
        "Session": _object(
            {
                "access_token": _TEXT,
                "token_type": {"type": "string", "const": "Bearer"},
                "expires_in": {"type": "integer", "description": "Seconds."},
                "user_id": _TEXT,
            }
        ),
        "ActionTaken": _object(
            {"action_id": _TEXT, "status": {"type": "string", "enum": ["claimed", "ok", "error", "denied"]}}
        ),
        "Alive": _object({"status": {"type": "string", "const": "alive"}}),
        "Ready": _object({"status": {"type": "string", "const": "ready"}}),
        "Metrics": {"type": "string", "description": "Prometheus text format."},
        "File": {"type": "string", "contentMediaType": "application/octet-stream"},
        "Html": _TEXT,
        "Document": {"type": "object", "description": "An OpenAPI 3.1 document."},
        "ErrorCode": {
            "type": "string",
            "enum": sorted(CODES),
            "description": "A client falls back to the status, else to `failed`, for a code that it does not know.",
        },
        "ErrorKind": {"type": "string", "enum": sorted({error.kind for error in CODES.values()})},
        "Finding": _object(
            {"loc": _list_of({"type": ["string", "integer"]}), "msg": _TEXT, "type": _TEXT},
            description="What is wrong with one place of the input; the input itself is never told.",
        ),
        "Problem": _object(
            {
                "type": _TEXT,
                "title": _TEXT,
                "status": {"type": "integer"},
                "detail": _TEXT,
                "code": _ref("ErrorCode"),
                "kind": _ref("ErrorKind"),
                "retryable": _FLAG,
            },
            {
                "retry_after": _NUMBER,
                "scope": {"type": "string", "enum": ["active", "rate"]},
                "mode": _TEXT,
                "limit": {"type": "integer"},
                "errors": _list_of(_ref("Finding")),
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
            {
                "index": {"type": "integer"},
                "total": {"type": "integer"},
                "progress": {"type": "number", "minimum": 0, "maximum": 1},
                "detail": _TEXT,
            },
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
        "response_chunk": _object({"text": _TEXT, "part": _PART, "index": _COUNT, "ts": _MOMENT}, _APPENDIX),
        "action": _object({**_ACTION, "ts": _MOMENT}, {**_ARGS, **_ANSWER}, "`args` comes with phase proposed."),
        "complete": _object(
            {
                "outcome": {"type": "string", "enum": ["completed", "cancelled"]},
                "text": _TEXT,
                "parts": _list_of(_ref("Part")),
                "actions": _list_of(_ref("Action")),
                "finish_reason": _TEXT,
                "model": _TEXT,
                "usage": _object({"input_tokens": _COUNT, "output_tokens": _COUNT}),
                "timings": _object({"first_chunk": _maybe(_NUMBER), "total": _NUMBER}),
                "ts": _MOMENT,
            }
        ),
        "error": _object(
            {
                "code": _ref("ErrorCode"),
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
        "Part": _object({"index": _COUNT, "part": _PART, "text": _TEXT}, _APPENDIX),
        "Action": _object({**_ACTION, **_ARGS}, _ANSWER),
        "PendingAction": _object({**_ACTION, **_ARGS, "ts": _MOMENT}),
        "Event": {"oneOf": [_ref(f"{title}Event") for title in named.values()]},
    }
    for name, payload in payloads.items():
        schemas[f"{named[name]}Data"] = payload
        schemas[f"{named[name]}Event"] = _object(
            {"event": {"type": "string", "const": name}, "data": _ref(f"{named[name]}Data")}, {"id": _EVENT_ID}
        )
    return schemas
