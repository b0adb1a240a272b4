"""Polls on a real server: they wait for news, follow an answer to its end, and leave nothing behind."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import gevent
import requests

from tests.system.app import expected
from tests.system.client import SILENCE, Client, token
from tests.system.server import Server
from tests.system.test_leaks import eventually, held, reset


def poll(client: Client, request_id: str, after: str = "0", wait: float = 0) -> dict[str, Any]:
    query = {"after": after, "wait": f"{wait:g}"}
    address = f"{client.base}/assistant/request/{request_id}"
    response = requests.get(address, params=query, headers=client.headers, timeout=SILENCE)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


def followed(client: Client, request_id: str, wait: float) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    until, page = time.monotonic() + 60, {"next": "0", "closed": False}
    while not page["closed"]:
        assert time.monotonic() < until
        page = poll(client, request_id, page["next"], wait)
        events += page["events"]
    return events


def raw_poll(server: Server, client: Client, request_id: str) -> socket.socket:
    """A socket that has sent a poll which will wait, and has read nothing."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    line = f"GET /assistant/request/{request_id}?after=1-3&wait=25 HTTP/1.1"
    plain.sendall(f"{line}\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n".encode())
    return plain


def test_an_answer_that_is_polled_is_the_one_that_is_streamed(client: Client) -> None:
    request_id = client.submit("polled", context={"count": 40, "pause": 0.02})

    events = followed(client, request_id, wait=5)

    streamed = client.read(request_id).messages
    assert [(one["id"], one["event"], one["data"]) for one in events] == [
        (one.id, one.event, one.json()) for one in streamed
    ]
    assert events[-1]["data"]["text"] == "".join(expected("polled", 40))


def test_polls_that_do_not_wait_miss_and_double_nothing(client: Client) -> None:
    request_id = client.submit("hasty", context={"count": 40, "pause": 0.01})

    events = followed(client, request_id, wait=0)

    assert [one["id"] for one in events] == [f"1-{number + 1}" for number in range(len(events))]


def test_it_waits_for_news_and_no_longer(client: Client) -> None:
    request_id = client.submit(mode="hold")
    assert eventually(lambda: poll(client, request_id)["next"] == "1-3", 5)
    began = time.monotonic()

    nothing = poll(client, request_id, "1-3", wait=1)
    waited = time.monotonic() - began
    waiting = gevent.spawn(poll, client, request_id, "1-3", 25)
    gevent.sleep(0.2)
    client.cancel(request_id)
    news = waiting.get(timeout=10)  # long before its 25 seconds

    assert nothing == {"events": [], "notices": [], "next": "1-3", "closed": False}
    assert waited >= 1
    assert news["events"][0]["data"]["state"] == "cancelling"


def test_clients_that_go_away_while_they_wait_leave_nothing(server: Server, client: Client) -> None:
    request_id = client.submit(mode="hold")
    assert eventually(lambda: poll(client, request_id)["next"] == "1-3", 5)
    before = held(server)
    for number in range(30):
        watching = [raw_poll(server, client, request_id) for _ in range(10)]
        if number == 0:
            assert eventually(lambda: client.record(request_id).json()["viewers"] == 10, 5)
            refused = requests.get(
                f"{client.base}/assistant/request/{request_id}?wait=1", headers=client.headers, timeout=SILENCE
            )
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_viewers")
        for plain in watching:
            reset(plain) if number % 2 else plain.close()
        # long before the 25 seconds of their wait
        assert eventually(lambda: client.record(request_id).json()["viewers"] == 0, 5)

    after = held(server)
    client.cancel(request_id)

    assert after["streams"] == before["streams"] == 0
    assert after["greenlets"] <= before["greenlets"] + 1  # a connection that is being closed


def test_a_poll_keeps_its_connection(client: Client) -> None:
    request_id = client.submit("kept", context={"count": 3})
    client.read(request_id)
    connection = http.client.HTTPConnection(urlsplit(client.base).netloc, timeout=SILENCE)

    sockets, bodies = set(), []
    for _ in range(3):
        connection.request("GET", f"/assistant/request/{request_id}?wait=1", headers=client.headers)
        sockets.add(connection.sock.getsockname())
        bodies.append(connection.getresponse().read())
    connection.close()

    assert len(sockets) == 1
    assert len(set(bodies)) == 1
    assert json.loads(bodies[0])["events"][-1]["event"] == "complete"


def test_a_token_that_ends_while_it_waits_is_told(server: Server) -> None:
    client = Client(server.base)
    request_id = client.submit(mode="hold")
    assert eventually(lambda: poll(client, request_id)["next"] == "1-3", 5)
    short = Client(server.base)
    short.headers = {"Authorization": f"Bearer {token('ann', 2)}"}

    page = poll(short, request_id, "1-3", wait=25)
    client.cancel(request_id)

    assert [(one["state"], one["reason"]) for one in page["notices"]] == [("closing", "auth_expired")]
    assert page["closed"] is False


def test_streams_and_polls_see_one_log(client: Client) -> None:
    request_id = client.submit("both", context={"count": 30, "pause": 0.02})
    half = client.follow(request_id, leave=lambda answer: len(answer.messages) == 10)

    rest = poll(client, request_id, half.last_id or "", wait=5)
    joined = client.follow(request_id, half) if not rest["closed"] else half

    known = {one.id: (one.event, one.json()) for one in joined.messages}
    assert all(known[one["id"]] == (one["event"], one["data"]) for one in rest["events"])
