"""GET /metrics: who may read it, and that hostile clients add no series."""

from __future__ import annotations

import random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assistant.observability import metrics
from tests.integration.conftest import Start
from tests.integration.server import Server, problem

_TOKEN = "a-token-of-the-scraper"


def lines(server: Server) -> list[str]:
    response = server.client.get("/metrics")
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    return [line for line in response.text.splitlines() if not line.startswith("#")]


def used(server: Server) -> Server:
    """A server that has done a bit of everything."""
    for mode in ("chat", "edit", "generate"):
        server.events(server.started(mode=mode))
    server.post(user=None)
    server.post({"prompt": ""})
    server.call("GET", "/stream/nonsense")
    return server


def test_the_scrape_says_what_has_been(start: Start) -> None:
    server = used(start("Hi"))

    assert 'assistant_requests_total{mode="chat",outcome="completed"} 1.0' in lines(server)
    assert "assistant_stream_connections 0.0" in lines(server)
    assert not [line for line in lines(server) if "_created" in line]


def test_what_is_scraped_is_the_prometheus_format(start: Start) -> None:
    text = used(start("Hi")).client.get("/metrics").text

    names = {family.name for family in text_string_to_metric_families(text)}

    assert names == {f"assistant_{name.removesuffix('_total')}" for name in metrics.FAMILIES}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": _TOKEN}, {"Authorization": "Bearer \udcff"}]
)
def test_the_metrics_ask_for_their_token(start: Start, headers: dict[str, str]) -> None:
    server = start(ASSISTANT_METRICS_TOKEN=_TOKEN)

    refused = problem(server.client.get("/metrics", headers=headers), 401, "unauthorized")
    granted = server.client.get("/metrics", headers={"Authorization": f"Bearer {_TOKEN}"})

    assert _TOKEN not in str(refused)
    assert granted.status_code == 200


def test_a_users_token_does_not_open_the_metrics(start: Start) -> None:
    server = start(ASSISTANT_METRICS_TOKEN=_TOKEN)

    problem(server.client.get("/metrics", headers=server.bearer("ann")), 401, "unauthorized")


def test_without_the_client_library_the_answer_says_what_to_install(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "find_spec", lambda _: None)
    server = used(start("Hi"))

    said = problem(server.client.get("/metrics"), 404, "not_found")

    assert "assistant-server[metrics]" in said["detail"]


def test_two_apps_count_for_themselves(start: Start) -> None:
    one, other = used(start("Hi")), start("Hi")

    assert any("requests_total{" in line for line in lines(one))
    assert not any("requests_total{" in line for line in lines(other))


def test_ten_thousand_odd_requests_add_no_series(start: Start) -> None:
    """F38: paths, modes, agents, cursors and ids at random."""
    server, odd = used(start("Hi")), random.Random(38)
    login = server.bearer("mallory")
    before = lines(server)

    for number in range(10_000):
        word = "".join(odd.choices("abcdefghij/%<>{}\"'\\._-0123456789", k=12))
        agent = {"User-Agent": word, "X-Forwarded-For": word}
        if number % 4 == 0:
            server.client.get(f"/x{word}", headers=agent)
        elif number % 4 == 1:
            server.client.post("/assistant/request", json={"prompt": word, "mode": word}, headers={**agent, **login})
        elif number % 4 == 2:
            server.client.get(f"/assistant/stream/{word}?after={word}", headers={**agent, **login})
        else:
            server.client.open(f"/assistant/request/{word}", method=odd.choice(["GET", "DELETE"]), headers=agent)

    after = lines(server)
    assert len(after) - len(before) <= 5
    assert len(after) <= 200
