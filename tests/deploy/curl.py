"""curl as a browser stands in front of the site: TLS with a certificate that is checked, and HTTP/2."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant import sse
from tests.deploy.nginx import NAME
from tests.system.client import token
from tests.tools import program

# Longest that an answer which is not a stream may take; seconds.
PATIENCE = 30


@dataclass
class Reply:
    status: int
    version: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Curl:
    """One user's curl."""

    site: Any  # with base, certificate, https and http
    user: str = "ann"
    extra: list[str] = field(default_factory=list)

    def command(self, path: str, *options: str) -> list[str]:
        address = path if "://" in path else self.site.base + path
        return [
            program("curl"),
            *["--silent", "--show-error", "--http2", "--cacert", str(self.site.certificate)],
            *["--resolve", f"{NAME}:{self.site.https}:127.0.0.1", "--resolve", f"{NAME}:{self.site.http}:127.0.0.1"],
            *["--header", f"Authorization: Bearer {token(self.user)}", *self.extra, *options, address],
        ]

    def ask(self, path: str, *options: str) -> Reply:
        """The answer to one request."""
        command = self.command(path, "--include", "--write-out", "\n%{http_version} %{response_code}", *options)
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        printed, _, end = done.stdout.rpartition(b"\n")
        head, _, body = printed.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        version, status = end.decode().split()
        return Reply(int(status), version, {name.lower(): value for name, value in headers.items()}, body)

    def post(self, path: str, body: Any, *options: str) -> Reply:
        return self.ask(path, "--json", json.dumps(body), *options)

    def submit(self, mode: str, **context: Any) -> str:
        reply = self.post("/assistant/request", {"prompt": "Hello", "mode": mode, "context": context})
        assert reply.status == 201, reply.body
        request_id: str = reply.json()["request_id"]
        return request_id

    def stream(self, request_id: str, *options: str, within: int = PATIENCE) -> subprocess.Popen[bytes]:
        """curl with an open stream, which it gives up after `within` seconds."""
        command = self.command(f"/assistant/stream/{request_id}", "--no-buffer", "--max-time", str(within), *options)
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def in_step(self, count: int, *options: str) -> list[str]:
        """The chunks of an answer whose next chunk is sent only when the last one has been seen: whatever holds an event
        back brings it to a standstill, which ends with curl's patience."""
        request_id, seen = self.submit("steps", count=count), []
        with self.stream(request_id, *options) as process:
            for message in messages(process):
                data = message.json()
                if message.event == "response_chunk":
                    seen.append(data["text"])
                if message.event == "action" and data["phase"] == "proposed":
                    path = f"/assistant/request/{request_id}/actions/{data['action_id']}"
                    assert self.post(path, {"status": "ok"}).status == 202
        assert process.returncode == 0
        assert (message.event, data["outcome"]) == ("complete", "completed")
        return seen


def messages(process: subprocess.Popen[bytes]) -> Iterator[sse.Message]:
    """The messages of an open stream as they come."""
    assert process.stdout is not None
    read: Callable[[int], bytes] = process.stdout.read1  # type: ignore[attr-defined]
    return sse.decode(iter(lambda: read(65536), b""))
