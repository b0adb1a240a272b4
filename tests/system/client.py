"""A client that is honest and small: it POSTs, streams, and comes again with its last id until the terminal event."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from assistant import sse
from tests.system.server import SECRET

# Longest silence a client puts up with; seconds.
SILENCE = 30.0


def token(user: str, lifetime: float = 600.0) -> str:
    now = int(time.time())
    claims = {"sub": user, "iat": now, "nbf": now, "exp": now + lifetime, "type": "access", "fresh": False, "jti": user}
    return jwt.encode(claims, SECRET, "HS256")


@dataclass
class Answer:
    """What a client has got so far."""

    messages: list[sse.Message] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def last_id(self) -> str | None:
        return self.messages[-1].id if self.messages else None

    @property
    def ended(self) -> bool:
        return bool(self.messages) and self.messages[-1].event in ("complete", "error")

    @property
    def text(self) -> str:
        return "".join(one.json()["text"] for one in self.messages if one.event == "response_chunk")

    @property
    def outcome(self) -> str:
        last = self.messages[-1].json()
        return str(last.get("outcome") or last.get("code"))

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.messages]


class Client:
    """One user of a server at `base`, which may be a proxy's address."""

    def __init__(self, base: str, user: str = "ann") -> None:
        self.base = base
        self.user = user
        self.headers = {"Authorization": f"Bearer {token(user)}"}

    def post(self, prompt: str = "Hello", mode: str = "count", **body: Any) -> requests.Response:
        headers = {**self.headers, **body.pop("headers", {})}
        return requests.post(
            f"{self.base}/assistant/request",
            json={"prompt": prompt, "mode": mode, **body},
            headers=headers,
            timeout=SILENCE,
        )

    def submit(self, prompt: str = "Hello", mode: str = "count", **body: Any) -> str:
        response = self.post(prompt, mode, **body)
        assert response.status_code == 201, response.text
        request_id: str = response.json()["request_id"]
        return request_id

    def record(self, request_id: str) -> requests.Response:
        return requests.get(f"{self.base}/assistant/request/{request_id}", headers=self.headers, timeout=SILENCE)

    def cancel(self, request_id: str) -> requests.Response:
        return requests.delete(f"{self.base}/assistant/request/{request_id}", headers=self.headers, timeout=SILENCE)

    def connect(
        self, request_id: str, after: str | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """An open stream, its headers read."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=SILENCE)
        headers = {**self.headers, **({"Last-Event-ID": after} if after else {})}
        connection.request("GET", f"/assistant/stream/{request_id}", headers=headers)
        return connection, connection.getresponse()

    def follow(
        self, request_id: str, answer: Answer | None = None, *, leave: Callable[[Answer], bool] = lambda _: False
    ) -> Answer:
        """One connection, from where `answer` stands to its end, a cut, or the moment that `leave` names."""
        answer = answer or Answer()
        answer.connections += 1
        try:
            connection, response = self.connect(request_id, answer.last_id)
        except (OSError, http.client.HTTPException):
            return answer
        try:
            if response.status != 200:
                raise AssertionError(f"{response.status}: {response.read().decode()}")
            for message in sse.decode(_blocks(response)):
                if message.event == "status" and message.json()["state"] in ("reset", "closing", "draining"):
                    answer.notices.append(message.json()["state"])
                else:
                    answer.messages.append(message)
                if leave(answer):
                    break
        finally:
            response.close()  # it has the socket of a connection that ends with it
            connection.close()
        return answer

    def read(self, request_id: str, within: float = 60.0) -> Answer:
        """The whole answer, over as many connections as it takes."""
        answer, until = Answer(), time.monotonic() + within
        while not answer.ended and time.monotonic() < until:
            self.follow(request_id, answer)
        assert answer.ended, f"no end within {within} s: {answer.ids[-3:]}, {answer.connections} connections"
        return answer


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives; a cut ends it, as it ends any stream."""
    try:
        while block := response.read1(65536):
            yield block
    except (OSError, http.client.HTTPException):
        return
