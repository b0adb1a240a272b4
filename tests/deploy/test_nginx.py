"""The site of deploy/nginx: a real nginx, TLS and HTTP/2 in front of real gunicorn, asked by curl."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from assistant.errors import CODES
from tests.deploy.curl import Curl, messages
from tests.deploy.nginx import NAME, Nginx, free_port
from tests.tools import program

pytestmark = pytest.mark.system


@pytest.fixture
def curl(site: Nginx) -> Curl:
    return Curl(site)


def test_the_site_is_one_that_nginx_reads_without_a_warning(site: Nginx) -> None:
    done = subprocess.run(
        [program("nginx"), "-t", "-p", str(site.folder), "-c", str(site.folder / "nginx.conf")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_browsers_get_http_2_and_are_told_to_stay_with_tls(curl: Curl) -> None:
    reply = curl.ask("/healthz")

    assert (reply.status, reply.version) == (200, "2")
    assert reply.headers["strict-transport-security"] == "max-age=31536000"
    assert "/" not in reply.headers["server"]  # no version to look holes up by


def test_plain_http_leads_to_https(curl: Curl) -> None:
    reply = curl.ask(f"http://{NAME}:{curl.site.http}/assistant/request")

    assert reply.status == 308
    assert reply.headers["location"] == f"https://{NAME}/assistant/request"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_old_tls_is_refused(curl: Curl, version: str) -> None:
    weak = ["--tlsv1.0", "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0"]
    done = subprocess.run(curl.command("/healthz", *weak), capture_output=True, check=False, timeout=30)

    assert done.returncode == 35  # the handshake failed


def test_metrics_are_not_for_the_public(curl: Curl) -> None:
    assert curl.ask("/metrics").status == 404
    assert curl.ask("/assistant/metrics").status == 404


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_every_event_is_passed_on_when_it_comes(curl: Curl, version: str) -> None:
    seen = curl.in_step(25, version, "--compressed")

    assert seen == [f"{number};" for number in range(25)]


def test_a_stream_resumes_through_the_site(curl: Curl) -> None:
    request_id = curl.submit("slow", pauses=[0, 0, 0])
    with curl.stream(request_id) as process:
        whole = [one.id for one in messages(process)]

    with curl.stream(request_id, "--header", f"Last-Event-ID: {whole[1]}") as process:
        rest = [one.id for one in messages(process)]

    assert rest == whole[2:]


def test_many_streams_share_one_connection(curl: Curl) -> None:
    """What HTTP/2 is for: with 30 streams open, the next request is answered on the same connection."""
    ids = [curl.submit("slow", pauses=[0, 2]) for _ in range(5)]
    streams = [f"{curl.site.base}/assistant/stream/{one}" for one in ids * 6]
    told = ["--parallel", "--parallel-max", "50", "--max-time", "30", "--write-out", "\nconnects %{num_connects}\n"]

    command = [*curl.command(streams[0], *told), *streams[1:], f"{curl.site.base}/healthz"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    assert printed.count("event: complete") == 30
    assert printed.index('{"status":"alive"}') < printed.index("event: complete")
    assert sum(int(line.split()[1]) for line in printed.split("\n") if line.startswith("connects ")) == 1


def test_a_body_of_the_full_size_reaches_the_app_and_a_larger_one_is_a_problem(curl: Curl, tmp_path: Path) -> None:
    full, larger = tmp_path / "full", tmp_path / "larger"
    full.write_bytes(json.dumps({"prompt": "x", "mode": "slow", "context": {"x": ""}}).encode().ljust(2**20))
    larger.write_bytes(b" " * (2**20 + 200_000))
    options = ("--header", "Content-Type: application/json")

    app = curl.ask("/assistant/request", *options, "--data-binary", f"@{full}")
    nginx = curl.ask("/assistant/request", *options, "--data-binary", f"@{larger}")

    assert app.status == 201
    assert nginx.status == 413
    assert nginx.headers["content-type"] == "application/problem+json"
    assert nginx.json() == row("too_large")


def test_the_address_of_a_client_cannot_be_forged(curl: Curl) -> None:
    """60 guests a minute and address: who could name addresses would have as many as they like."""
    told = ["--request", "POST", "--output", "/dev/null", "--write-out", "%{response_code} "]
    statuses = []

    for number in range(4):
        forged = ["--header", f"X-Forwarded-For: 203.0.113.{number}"]
        command = curl.command("/assistant/session?[1-45]", *told, *forged)
        statuses += subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()

    assert len(statuses) == 180
    assert set(statuses) == {"201", "429"}  # at most 120, should a minute begin in between


def test_the_app_knows_the_name_that_the_page_was_loaded_from(curl: Curl) -> None:
    """Unsafe requests must come from a page of this site: the Host that the browser asked for says which that is."""
    ours = curl.ask("/assistant/session", "--request", "POST", "--header", f"Origin: {curl.site.base}")
    foreign = curl.ask("/assistant/session", "--request", "POST", "--header", "Origin: https://evil.example")

    assert ours.status in (201, 429)  # another test of this minute may have taken all that an address gets
    assert foreign.status == 403
    assert "secure" in ours.headers.get("set-cookie", "secure").lower()


def test_a_site_without_its_app_says_that_it_is_restarting(tmp_path: Path) -> None:
    with Nginx(tmp_path, free_port()) as alone:
        reply = Curl(alone).ask("/assistant/requests")

    assert reply.status == 503
    assert reply.headers["retry-after"] == "2"
    assert reply.json() == row("draining") | {"retry_after": 2}


def row(code: str) -> dict[str, object]:
    """A problem as the app would write it."""
    error = CODES[code]
    told = {"title": error.message, "detail": error.message, "kind": error.kind, "retryable": error.retryable}
    return {"type": f"urn:assistant:problem:{code}", "status": error.status, "code": code, **told}
