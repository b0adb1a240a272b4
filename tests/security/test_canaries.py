"""Words that nobody may write down, sent through a real server; and addresses that nobody may visit."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.system.client import Client, token
from tests.system.server import SECRET, Server

pytestmark = pytest.mark.system

# Each stands for something else that is to be found nowhere.
WORD, DOCUMENT, KEY, METRICS = (
    "canary-of-the-prompt",
    "canary-of-the-document",
    "canary-of-the-key",
    "canary-of-metrics",
)
STRAY = "canary-of-a-stray-field"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"rates": "chat=100000/minute,slow=100000/minute", "api_key": KEY, "metrics_token": METRICS, "guests": 1}
    with Server(tmp_path_factory.mktemp("canaries"), "tests.deploy.app:app", **settings) as running:
        yield running


def test_no_word_of_a_user_and_no_secret_is_written_down(server: Server) -> None:
    client = Client(server.base)
    context = {"content": DOCUMENT, "history": [{"role": "user", "content": DOCUMENT}]}
    for prompt in (WORD, f"{WORD} fail"):
        answer = client.read(client.submit(prompt, "chat", context=context))
    stopped = client.submit(WORD, "slow", context={"pauses": [0, 5], "note": DOCUMENT})
    client.cancel(stopped)
    client.read(stopped)

    refusals = [one.text for one in odd_requests(client)]
    scraped = requests.get(f"{server.base}/metrics", headers={"Authorization": f"Bearer {METRICS}"}, timeout=10)
    written = server.log.read_text()

    assert answer.outcome == "provider_unavailable"
    assert written.count("request.created") >= 3  # it does write
    assert scraped.status_code == 200
    secrets = [WORD, DOCUMENT, KEY, METRICS, STRAY, SECRET, token("ann")]
    for text in (written, scraped.text):
        assert [one for one in secrets if one in text] == []
    for text in refusals:
        assert [one for one in secrets if one in text] == []


def odd_requests(client: Client) -> Iterator[requests.Response]:
    """Requests that are refused, each with a canary where it goes wrong."""
    good = {"prompt": WORD, "mode": "chat"}
    bodies: list[Any] = [{**good, STRAY: 1}, {**good, "mode": STRAY}, {**good, "context": STRAY}, [STRAY], f"{{{STRAY}"]
    for body in bodies:
        kind = {"json": body} if not isinstance(body, str) else {"data": body}
        headers = {**client.headers, "Content-Type": "application/json"}
        yield refused(requests.post(f"{client.base}/assistant/request", headers=headers, timeout=10, **kind))
    for path in (
        f"/assistant/request/{STRAY}",
        f"/assistant/stream/{STRAY}",
        f"/{STRAY}",
        f"/assistant/requests?state={STRAY}",
    ):
        yield refused(requests.get(client.base + path, headers=client.headers, timeout=10))
    for headers in (
        {"Authorization": f"Bearer {STRAY}"},
        {"Authorization": STRAY},
        {"Cookie": f"access_token_cookie={STRAY}"},
    ):
        yield refused(requests.get(f"{client.base}/assistant/requests", headers=headers, timeout=10))


def refused(response: requests.Response) -> requests.Response:
    assert 400 <= response.status_code < 500, response.text
    return response


def test_no_address_that_a_client_gives_is_fetched(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/trap"
        client = Client(server.base)
        context = {"content": address, "url": address, "base_url": address, "callback": address}
        headers = {"Origin": address, "Referer": address, "X-Forwarded-Host": address, "Idempotency-Key": address}
        request_id = client.submit(address, "chat", context=context, track_id=address[:128], headers=headers)
        client.read(request_id)
        client.post(address, "chat", base_url=address)
        for name in ("jku", "x5u", "kid"):
            forged = jwt.encode({"sub": "ann", "exp": 9999999999}, SECRET + "x", "HS256", headers={name: address})
            requests.get(f"{server.base}/assistant/requests", headers={"Authorization": f"Bearer {forged}"}, timeout=10)

        trap.settimeout(1.0)
        with pytest.raises(TimeoutError):
            trap.accept()
