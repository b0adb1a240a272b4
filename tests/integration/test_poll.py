"""GET /request/<id>?after=&wait=: the events as JSON, behind the same rules as a stream."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from assistant import Assistant, ask, chunk
from assistant.testing import ScriptedProvider
from tests.integration.conftest import Start
from tests.integration.routes import contract
from tests.integration.server import Server, problem
from tests.integration.test_openapi import strict


def page_of(server: Server, request_id: str, query: str = "?after=0&wait=0", **options: Any) -> dict[str, Any]:
    response = server.call("GET", f"/request/{request_id}{query}", **options)
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"
    page: dict[str, Any] = response.json
    strict(contract(server), "Page").validate(page)
    return page


def test_pages_say_what_the_stream_says(server: Server) -> None:
    request_id = server.started()
    server.finished()

    page = page_of(server, request_id)

    told = [(one["id"], one["event"], one["data"]) for one in page["events"]]
    assert told == [(one.id, one.event, one.json()) for one in server.events(request_id)]
    assert (page["next"], page["closed"]) == (told[-1][0], True)


@pytest.mark.parametrize("query", ["?after=0", "?wait=0", "?wait=0&after=", "?wait=25.000&after=0", "?after=0&after=0"])
def test_either_parameter_asks_for_a_page(server: Server, query: str) -> None:
    request_id = server.started()
    server.finished()

    assert page_of(server, request_id, query)["events"][0]["id"] == "1-1"


def test_without_them_it_is_the_record(server: Server) -> None:
    request_id = server.started()
    server.finished()

    record = server.call("GET", f"/request/{request_id}", headers={"Last-Event-ID": "1-1"}).json

    assert record["status"] == "completed"


def test_a_cursor_in_the_header_counts_as_on_a_stream(server: Server) -> None:
    request_id = server.started()
    server.finished()

    page = page_of(server, request_id, "?wait=0", headers={"Last-Event-ID": "1-2"})

    assert page["events"][0]["id"] == "1-3"


def test_an_end_that_was_seen_is_an_empty_page_at_once(server: Server) -> None:
    request_id = server.started()
    server.finished()
    last = page_of(server, request_id)["next"]

    page = page_of(server, request_id, f"?after={last}&wait=25")  # the client of these tests waits for 5 s

    assert page == {"events": [], "notices": [], "next": last, "closed": True}


@pytest.mark.parametrize(
    "query",
    [*(f"?after=0&wait={wait}" for wait in ("-1", "26", "25.5", "x", "1e1", "nan", "0x1", "٣", "", "1&wait=2", "%00")),
     "?after=1", "?after=x&wait=0", "?after=1-1&after=1-2", "?after=1-1-1"],
)  # fmt: skip
def test_what_is_no_wait_and_no_cursor_is_refused(server: Server, query: str) -> None:
    request_id = server.started()

    problem(server.call("GET", f"/request/{request_id}{query}"), 400, "invalid_request")


def test_refusals_come_in_the_streams_order(start: Start) -> None:
    server = start(ASSISTANT_RETENTION=0)
    mine = server.started()
    server.finished()

    problem(server.call("GET", f"/request/{mine}?after=x", user=None), 401, "unauthorized")
    problem(server.call("GET", f"/request/{mine}?after=x", user="eve"), 400, "invalid_request")
    problem(server.call("GET", f"/request/{mine}?after=9-9", user="eve"), 404, "not_found")
    server.web.janitor.round()
    problem(server.call("GET", f"/request/{mine}?after=9-9"), 410, "gone")


def test_more_viewers_than_there_may_be_are_refused(start: Start) -> None:
    server = start(ASSISTANT_MAX_STREAMS=1)
    request_id = server.started()
    server.web.service.viewers.limit = 0

    refused = server.call("GET", f"/request/{request_id}?wait=0")

    problem(refused, 503, "server_full")
    assert refused.headers["Retry-After"]


def test_head_refuses_alike_and_watches_nothing(server: Server) -> None:
    request_id = server.started()

    response = server.call("HEAD", f"/request/{request_id}?after=0&wait=25")

    assert (response.status_code, response.data) == (200, b"")
    assert server.call("HEAD", f"/request/{request_id}?after=0&wait=26").status_code == 400
    assert server.call("GET", f"/request/{request_id}").json["usage"]["viewers"] == 0


def test_an_answer_can_be_followed_by_polls_alone(start: Start) -> None:
    assistant = Assistant(provider=ScriptedProvider())

    @assistant.action("publish", wants="approval")
    class Publish(BaseModel):
        title: str

    @assistant.handler("announce")
    def announce(run: Any) -> Any:
        yield chunk("Shall I? ")
        yield ask("publish", {"title": "x"})
        yield chunk("Done.")

    server = start(assistant=assistant)
    request_id = server.started(mode="announce", context={"actions": ["publish"]})
    events: list[dict[str, Any]] = []
    cursor, closed = "0", False
    for _ in range(50):
        page = page_of(server, request_id, f"?after={cursor}&wait=2")
        events += page["events"]
        cursor, closed = page["next"], page["closed"]
        for event in page["events"]:
            if event["event"] == "action" and event["data"]["phase"] == "proposed":
                at = f"/request/{request_id}/actions/{event['data']['action_id']}"
                assert server.call("POST", at, json={"status": "ok", "value": True}).status_code == 202
        if closed:
            break

    assert closed
    assert events[-1]["event"] == "complete"
    assert events[-1]["data"]["text"] == "Shall I? Done."
    seqs = [int(event["id"].split("-")[1]) for event in events]
    assert seqs == list(range(1, len(seqs) + 1))
