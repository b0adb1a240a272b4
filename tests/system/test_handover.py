"""Where a stream's socket is handed over, where it is not, and what gunicorn's own log says of it."""

from __future__ import annotations

from pathlib import Path

import gevent
import requests

from tests.system.app import expected
from tests.system.client import Answer, Client
from tests.system.server import Server


def taken_over(server: Server) -> bool:
    """Whether a stream was: its connection then ends with it. Its answer is whole in any case."""
    client = Client(server.base)
    connection, response = client.connect(client.submit("Hello", context={"count": 20, "pause": 0.01}))
    answer = client.read(client.submit("Hello", context={"count": 20}))
    body = response.read().decode()
    connection.close()
    assert "".join(expected("Hello", 20)) == answer.text
    assert '"outcome":"completed"' in body
    return response.getheader("Connection") == "close"


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
