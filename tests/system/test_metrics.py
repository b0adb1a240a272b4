"""Metrics of several workers: exact, whatever becomes of the workers."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import psutil
import pytest
import requests
from gevent.pool import Pool

from tests.redis.servers import RedisServer
from tests.system.client import SILENCE, Client
from tests.system.server import Server

_REQUESTS, _CLIENTS = 10_000, 8


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("pair"), "tests.system.pair:app")
    server.environ["GUNICORN_CMD_ARGS"] = "--config tests/system/pair.py"
    with server:
        yield server


class Connection:
    """One kept-alive connection, and so one worker."""

    def __init__(self, server: Server, user: str) -> None:
        self._held: http.client.HTTPResponse | None = None
        self._headers = {**Client(server.base, user).headers, "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SILENCE)
        self.instance = self._call("GET", "/readyz").getheader("Assistant-Instance")

    def _call(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        self.body = response.read()
        return response

    def submit(self, mode: str = "count", count: int = 1) -> str:
        body = {"prompt": "x", "mode": mode, "context": {"count": count}}
        assert self._call("POST", "/assistant/request", json.dumps(body).encode()).status == 201, self.body
        url: str = json.loads(self.body)["stream_url"]
        return url

    def ask(self) -> None:
        """One request from its POST to the end of its stream."""
        url = self.submit()
        assert self._call("GET", url).status == 200
        assert b"event: complete" in self.body

    def hold(self, url: str) -> None:
        """Opens a stream and leaves it open."""
        self._connection.request("GET", url, None, self._headers)
        self._held = self._connection.getresponse()
        self._held.read1(10)

    def close(self) -> None:
        if self._held is not None:
            self._held.close()
        self._connection.close()


@contextmanager
def connections(server: Server, each: int) -> Iterator[list[Connection]]:
    """Connections to both workers, as many to each."""
    found: list[Connection] = []
    workers = psutil.Process(server.process.pid).children()
    for number, worker in enumerate(workers):  # whoever wakes first would take them all
        others = [one for one in workers if one != worker]
        for one in others:
            one.suspend()
        found += [Connection(server, f"user-{number}-{n}") for n in range(each)]
        for one in others:
            one.resume()
    assert len({one.instance for one in found}) == len(workers) == 2
    try:
        yield found
    finally:
        for one in found:
            one.close()


def scraped(server: Server) -> dict[str, float]:
    text = requests.get(f"{server.base}/metrics", timeout=SILENCE).text
    return {key: float(value) for key, value in re.findall(r"^(assistant_\S+) (\S+)$", text, re.M)}


def settled(server: Server, key: str, value: float) -> dict[str, float]:
    """The scrape, once it says what it should: the last words of a request are counted after its last event is out."""
    for _ in range(100):
        seen = scraped(server)
        if seen.get(key) == value:
            return seen
        gevent.sleep(0.1)
    raise AssertionError(f"{key} is {seen.get(key)}, not {value}")


def ended(server: Server) -> float:
    return sum(value for key, value in scraped(server).items() if key.startswith("assistant_requests_total{"))


def test_ten_thousand_requests_over_two_workers_are_ten_thousand(pair: Server) -> None:
    before = ended(pair)
    with connections(pair, _CLIENTS // 2) as clients:

        def work(one: Connection) -> None:
            for _ in range(_REQUESTS // _CLIENTS):
                one.ask()

        pool = Pool(_CLIENTS)
        pool.map(work, clients)

    seen = settled(pair, 'assistant_requests_total{mode="count",outcome="completed"}', before + _REQUESTS)
    assert seen['assistant_request_duration_seconds_count{mode="count",outcome="completed"}'] == before + _REQUESTS
    assert seen["assistant_chunks_total"] == before + _REQUESTS
    assert seen['assistant_events_total{type="complete"}'] == before + _REQUESTS
    assert sum(value for key, value in seen.items() if key.startswith("assistant_requests_active")) == 0
    assert seen["assistant_stream_connections"] == 0
    assert not [key for key in seen if "errors_total" in key or "pid" in key]
    assert len(seen) <= 200


def test_what_a_killed_worker_has_counted_stays_and_what_it_held_does_not(pair: Server) -> None:
    before = ended(pair)
    with connections(pair, 1) as clients:
        for one in clients:
            one.ask()
            one.hold(one.submit("hold"))
        settled(pair, "assistant_stream_connections", 2)
        settled(pair, 'assistant_requests_active{state="running"}', 2)
        victim = psutil.Process(pair.process.pid).children()[0]

        os.kill(victim.pid, signal.SIGKILL)

        settled(pair, "assistant_stream_connections", 1)
        seen = settled(pair, 'assistant_requests_active{state="running"}', 1)
    assert seen['assistant_requests_total{mode="count",outcome="completed"}'] == before + 2
    pair.wait_ready()
    with connections(pair, 1) as clients:
        for one in clients:
            one.ask()
    settled(pair, 'assistant_requests_total{mode="count",outcome="completed"}', before + 4)


def test_a_server_makes_the_folder_of_its_metrics_and_removes_it(tmp_path: Path) -> None:
    server = Server(tmp_path, "tests.system.pair:app")
    server.environ |= {"GUNICORN_CMD_ARGS": "--config tests/system/pair.py", "TMPDIR": str(tmp_path)}

    with server:
        (folder,) = tmp_path.glob("assistant-metrics-*")
        assert list(folder.glob("*.db"))
        server.send(signal.SIGTERM)
        server.ended(30)

    assert not folder.exists()


def test_a_server_empties_the_folder_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").write_bytes(b"left by an earlier one")
    server = Server(tmp_path, "tests.system.pair:app")
    server.environ |= {"GUNICORN_CMD_ARGS": "--config tests/system/pair.py", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    with server:
        assert not (tmp_path / "counter_1.db").exists()
        assert ended(server) == 0
        server.send(signal.SIGTERM)
        server.ended(30)

    assert tmp_path.exists()


def test_one_worker_counts_in_memory(server: Server) -> None:
    client = Client(server.base)
    before = ended(server)

    client.read(client.submit())

    for _ in range(50):
        if ended(server) == before + 1:
            break
        gevent.sleep(0.1)
    assert ended(server) == before + 1


def test_over_redis_the_workers_count_as_one_and_a_takeover_once(tmp_path: Path) -> None:
    with RedisServer() as store, Server(tmp_path, workers=2, registry=store.url) as server:
        for number in range(100):  # a new connection each, so either worker
            client = Client(server.base, f"user-{number}")
            client.read(client.submit())
        seen = settled(server, 'assistant_requests_total{mode="count",outcome="completed"}', 100)
        assert seen['assistant_events_total{type="complete"}'] == 100
        assert [key for key in seen if key.startswith("assistant_registry_operation_seconds_count")]
        held = [Client(server.base, f"holder-{n}") for n in range(4)]
        requests_held = [one.submit(mode="hold") for one in held]
        running = settled(server, 'assistant_requests_active{state="running"}', 4)
        assert running['assistant_requests_active{state="accepted"}'] == 0

        victim = psutil.Process(server.process.pid).children()[0]
        victim.kill()
        for _ in range(100):  # once there is a new worker, the master has marked the old one dead
            workers = psutil.Process(server.process.pid).children()
            if len(workers) == 2 and victim not in workers:
                break
            gevent.sleep(0.1)
        for _ in range(100):
            seen = scraped(server)
            lost = seen.get('assistant_errors_total{code="worker_lost"}', 0)
            if lost + seen['assistant_requests_active{state="running"}'] == 4:
                break
            gevent.sleep(0.1)
        for one, request_id in zip(held, requests_held, strict=True):
            one.cancel(request_id)

        settled(server, 'assistant_requests_active{state="running"}', 0)
        for _ in range(100):  # a cancelled request stops to run before it has ended
            if ended(server) == 104:
                break
            gevent.sleep(0.1)
        seen = scraped(server)
        ends = {key: value for key, value in seen.items() if key.startswith('assistant_requests_total{mode="hold"')}
        assert sum(ends.values()) == 4
        assert ends.get('assistant_requests_total{mode="hold",outcome="cancelled"}', 0) == 4 - lost
        assert sum(value for key, value in seen.items() if key.startswith("assistant_takeovers_total")) == lost
