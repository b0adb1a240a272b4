"""The OpenAPI document is the truth: about the routes, about every body, about every event."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from assistant import Assistant, action, ask, chunk, stage, status
from assistant.errors import CODES
from assistant.events import NAMES
from assistant.testing import SECRET, ScriptedProvider
from tests.integration.conftest import Start
from tests.integration.routes import contract
from tests.integration.server import Server

ROOT = Path(__file__).parents[2]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def strict(document: dict[str, Any], name: str) -> Draft202012Validator:
    """A validator of one schema for which a property that the document does not name is an error."""
    copy = orjson.loads(orjson.dumps(document))
    for schema in copy["components"]["schemas"].values():
        for node in walk(schema):
            if node.get("type") == "object" and "properties" in node:
                node.setdefault("additionalProperties", False)
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": copy["components"]})


def test_the_document_is_the_url_map(server: Server) -> None:
    told = {(path, method.upper()) for path, item in contract(server)["paths"].items() for method in item}

    mapped = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in server.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert told == mapped
    assert ("/healthz", "GET") in told


def test_the_document_is_the_url_map_inside_another_app() -> None:
    app = Flask("host")
    app.config.update(JWT_SECRET_KEY=SECRET, ASSISTANT_URL_PREFIX="/api/helper")
    Assistant(app, provider=ScriptedProvider())
    served = app.extensions["assistant"]
    with app.app_context():
        from assistant.web.openapi import document

        told = document("/api/helper", served.catalog)["paths"]

    mapped = {
        rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules() if rule.endpoint != "static"
    }

    assert set(told) == mapped
    assert "/api/helper/readyz" in told


def test_every_operation_is_complete(server: Server) -> None:
    document = contract(server)

    assert document["openapi"] == "3.1.0"
    names = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(names) == len(set(names))
    for path, item in document["paths"].items():
        for operation in item.values():
            inside = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert inside == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert all(
                response.get("description") or "$ref" in response for response in operation["responses"].values()
            )
            assert [status for status in operation["responses"] if status.startswith("2")]


def test_every_reference_leads_somewhere_and_every_schema_is_one(server: Server) -> None:
    document = contract(server)

    for node in walk(document):
        if "$ref" in node:
            target: Any = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_each_event_has_a_schema_and_each_code_is_known(server: Server) -> None:
    schemas = contract(server)["components"]["schemas"]

    events = [schemas[one["$ref"].rpartition("/")[2]] for one in schemas["Event"]["oneOf"]]
    assert {one["properties"]["event"]["const"] for one in events} == set(NAMES)
    assert set(schemas["ErrorCode"]["enum"]) == set(CODES)


def eventful() -> Assistant:
    """A team's assistant that sends everything an event may hold."""
    assistant = Assistant(provider=ScriptedProvider())

    @assistant.action("note")
    class Note(BaseModel):
        text: str

    @assistant.action("insert", wants="result")
    class Insert(BaseModel):
        bpm: int

    @assistant.handler("all")
    def everything(run: Any) -> Any:
        yield stage("reading", "Reading", index=1, total=2, progress=0.5, detail="half")
        yield stage("reading", state="skipped")
        yield status("running", "still here")
        yield chunk("thinking", part="reasoning")
        yield chunk("text")
        yield action("note", {"text": "hi"})
        value = yield ask("insert", {"bpm": 120})
        yield chunk(str(value), part="appendix", kind="code", title="t", language="abc", url="https://example.com")

    @assistant.handler("fails")
    def fails(run: Any) -> Any:
        yield chunk("partial")
        raise RuntimeError

    return assistant


def answered(server: Server, request_id: str) -> dict[str, Any]:
    """Answers the pending action of a request as a page does; the record while it waited."""
    record = server.waiting(request_id)
    (wanted,) = (one for one in record["pending_actions"] if one["name"] == "insert")
    at = f"/request/{request_id}/actions/{wanted['action_id']}"
    assert server.call("POST", at, json={"status": "claimed", "claim": "me"}).status_code == 202
    taken = server.call("POST", at, json={"status": "ok", "value": {"bar": 1}, "claim": "me"})
    strict(contract(server), "ActionTaken").validate(taken.json)
    return record


def test_every_event_of_real_runs_is_exactly_what_its_schema_says(start: Start) -> None:
    server = start(assistant=eventful())
    document = contract(server)
    everything = server.started(mode="all")
    waiting = answered(server, everything)
    ids = [
        everything,
        server.started(mode="fails"),
        server.started(mode="chat"),
        server.started(mode="edit", context={}),
    ]

    seen = set()
    for request_id in ids:
        for message in server.events(request_id, headers={"Last-Event-ID": "9-9"}):
            event = {"event": message.event, "data": message.json()} | ({"id": message.id} if message.id else {})
            strict(document, "Event").validate(event)
            seen.add(message.event)
        strict(document, "Record").validate(server.call("GET", f"/request/{request_id}").json)

    assert seen == set(NAMES)
    strict(document, "Record").validate(waiting)
    assert waiting["pending_actions"]
    strict(document, "Records").validate(server.call("GET", "/requests").json)


def test_every_answer_is_exactly_what_its_schema_says(server: Server) -> None:
    document = contract(server)

    strict(document, "Accepted").validate(server.post().json)
    strict(document, "Session").validate(server.call("POST", "/session", user=None).json)
    strict(document, "Alive").validate(server.client.get("/healthz").json)
    strict(document, "Ready").validate(server.client.get("/readyz").json)
    for response in (
        server.post(user=None),
        server.post({}),
        server.call("GET", "/request/x"),
        server.client.get("/nowhere"),
        server.client.get("/assistant/request"),
        server.call("POST", "/request", data="x", content_type="text/plain"),
        *(server.call("POST", "/session", user=None) for _ in range(61)),
    ):
        if response.status_code >= 400:
            strict(document, "Problem").validate(response.json)


def test_the_strict_reading_can_fail(server: Server) -> None:
    validator = strict(contract(server), "CompleteEvent")

    assert not validator.is_valid({"event": "complete", "data": {}})
    assert not strict(contract(server), "Alive").is_valid({"status": "alive", "more": 1})


def test_statuses_that_a_route_answers_are_in_the_document(start: Start) -> None:
    server = start(60.0, ASSISTANT_GUESTS=True)
    paths = contract(server)["paths"]
    request_id = server.started(headers={"Idempotency-Key": "k"})
    seen = {
        ("/assistant/request", "post"): [
            server.post(),
            server.post({}),
            server.post(user=None),
            server.post(headers={"Idempotency-Key": "k"}, prompt="other"),
            server.call("POST", "/request", data="x"),
            server.call("POST", "/request", data=b" " * (2**20 + 1), content_type="application/json"),
            *(server.post() for _ in range(5)),
        ],
        ("/assistant/request/{request_id}", "get"): [
            server.call("GET", f"/request/{one}") for one in (request_id, "x")
        ],
        ("/assistant/stream/{request_id}", "get"): [
            server.call("GET", "/stream/x"),
            server.call("GET", f"/stream/{request_id}", user="eve"),
        ],
        ("/assistant/request/{request_id}", "delete"): [server.call("DELETE", f"/request/{request_id}")],
        ("/assistant/session", "post"): [
            server.call("POST", "/session", user=None, headers={"Origin": "https://evil"})
        ],
    }

    for (path, method), responses in seen.items():
        told = set(paths[path][method]["responses"])
        assert {str(response.status_code) for response in responses} <= told, (path, method)


@pytest.mark.system
def test_the_committed_document_is_the_one_that_is_served() -> None:
    """In a process of its own: other tests register modes and codes. Renew it with
    `flask --app wsgi assistant openapi > docs/reference/openapi.json`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "JWT_"))}

    printed = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "assistant", "openapi"],
        cwd=ROOT,
        env={**environ, "JWT_SECRET_KEY": SECRET},
        capture_output=True,
        check=True,
        timeout=60,
        text=True,
    ).stdout

    assert printed == (ROOT / "docs/reference/openapi.json").read_text()
