"""Where a stream's socket is handed over, where it is not, and what gunicorn's own log says of it."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path

import gevent
import requests

from tests.system.app import expected
from tests.system.client import Answer, Client
from tests.system.server import Server


def taken_over(server: Server) -> bool:
    """Whether a stream was. Its answer is whole in any case."""
    client = Client(server.base)
    held = client.submit(mode="hold")
    connection, response = client.connect(held)
    assert response.read1(10)
    taken: int = requests.get(f"{server.base}/held", timeout=10).json()["handed_over"]
    client.cancel(held)
    answer = client.read(client.submit("Hello", context={"count": 20}))
    assert '"outcome":"cancelled"' in response.read().decode()
    connection.close()
    assert "".join(expected("Hello", 20)) == answer.text
    return taken == 1


def test_it_is_handed_over_by_the_default_of_wsgi_py(tmp_path: Path) -> None:
    with Server(tmp_path, socket_driver=True) as server:
        assert taken_over(server)


def test_it_is_handed_over_by_gunicorns_own_worker(tmp_path: Path) -> None:
    server = Server(tmp_path, socket_driver=True)
    server.environ["GUNICORN_CMD_ARGS"] = "--worker-class gevent"
    with server:
        assert taken_over(server)


def test_it_stays_with_the_server_inside_a_middleware(tmp_path: Path) -> None:
    with Server(tmp_path, "tests.system.app:wrapped", socket_driver=True) as server:
        assert not taken_over(server)


def test_it_stays_with_the_server_when_a_hook_of_the_app_has_changed_the_body(tmp_path: Path) -> None:
    with Server(tmp_path, socket_driver=True) as server:
        client = Client(server.base)
        url = f"{server.base}/assistant/stream/{client.submit(context={'count': 5})}?marked="
        answer = requests.get(url, headers=client.headers, timeout=10)

    assert answer.text.startswith(": marked\nretry: 2000\n")
    assert answer.text.count('"outcome":"completed"') == 1
    assert "close" not in answer.headers.get("Connection", "")


def test_it_stays_with_the_server_under_a_configuration_that_would_not_wait_for_it(tmp_path: Path) -> None:
    server = Server(tmp_path, socket_driver=True)
    own = tmp_path / "own.conf.py"
    own.write_text("from gevent import monkey\nmonkey.patch_all()\nworker_class = 'gevent'\n")
    server.environ["GUNICORN_CMD_ARGS"] = f"--config {own}"
    with server:
        assert not taken_over(server)


def test_gunicorns_access_log_counts_a_stream_at_its_end(tmp_path: Path) -> None:
    server = Server(tmp_path, socket_driver=True)
    server.environ["GUNICORN_CMD_ARGS"] = "--access-logfile -"
    with server:
        client = Client(server.base)
        request_id = client.submit(context={"count": 20})
        answer = client.follow(request_id, Answer())
        gevent.sleep(0.2)
        lines = [line for line in server.log.read_text().splitlines() if f"GET /assistant/stream/{request_id}" in line]

    assert answer.ended
    assert len(lines) == 1
    assert " 200 " in lines[0]
    assert int(lines[0].split(" 200 ")[1].split()[0]) > 2_000  # bytes


def ask(connection: http.client.HTTPConnection, client: Client, *, then: str = "keep-alive") -> tuple[str, str | None]:
    """The text of a stream and what its head says of the connection, over this one connection."""
    body = json.dumps({"prompt": "Hello", "mode": "count", "context": {"count": 20}})
    connection.request("POST", "/assistant/request", body, {**client.headers, "Content-Type": "application/json"})
    request_id = json.load(connection.getresponse())["request_id"]
    connection.request("GET", f"/assistant/stream/{request_id}", headers={**client.headers, "Connection": then})
    response = connection.getresponse()
    return response.read().decode(), response.getheader("Connection")


def test_a_connection_goes_on_after_its_stream(tmp_path: Path) -> None:
    with Server(tmp_path, socket_driver=True) as server:
        client = Client(server.base)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.connect()
        only = connection.sock
        for _ in range(20):
            text, then = ask(connection, client)
            assert text.count('"outcome":"completed"') == 1
            assert then == "keep-alive"
            assert connection.sock is only
        assert server.connections() == 1

        text, then = ask(connection, client, then="close")
        assert text.count('"outcome":"completed"') == 1
        assert then == "close"
        assert connection.sock is None


def test_a_connection_that_went_on_is_closed_when_nothing_comes(tmp_path: Path) -> None:
    with Server(tmp_path, socket_driver=True) as server:
        client = Client(server.base)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        ask(connection, client)
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""  # after gunicorn's keepalive, five seconds
        connection.close()
        assert requests.get(f"{server.base}/held", timeout=10).json()["handed_over"] == 0


def test_a_server_that_ends_waits_for_no_connection_that_went_on(tmp_path: Path) -> None:
    with Server(tmp_path, socket_driver=True) as server:
        client = Client(server.base)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        ask(connection, client)
        assert connection.sock is not None

        server.send(signal.SIGTERM)

        assert server.ended(within=4) == 0
        assert connection.sock.recv(1) == b""
        connection.close()
