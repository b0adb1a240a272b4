"""A user of an app without a network: submits, reads streams, answers actions, cancels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask_jwt_extended import create_access_token
from werkzeug.test import TestResponse

from .. import sse

# How long the receivers of a request's end may take; seconds.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: all its events, the last of them and its data."""

    request_id: str
    events: list[sse.Message]

    @property
    def end(self) -> dict[str, Any]:
        """The data of the terminal event."""
        data: dict[str, Any] = self.events[-1].json()
        return data

    @property
    def outcome(self) -> str:
        """`completed`, `cancelled`, or the code of the error."""
        return str(self.end.get("outcome") or self.end.get("code"))

    @property
    def text(self) -> str:
        """The text parts joined."""
        return "".join(data["text"] for data in self.data("response_chunk") if data["part"] == "text")

    def data(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of one name."""
        return [one.json() for one in self.events if one.event == name]


class AssistantClient:
    """One user of `app`. Refusals fail the test with what the server said; `call` gives any response as it is."""

    def __init__(self, app: Flask, user: str = "tester") -> None:
        self.app = app
        self.user = user
        self.web = app.extensions["assistant"]
        self.http = app.test_client(use_cookies=False)

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """One request below the prefix, with the user's token."""
        headers = {**self._login(), **options.pop("headers", {})}
        return self.http.open(f"{self.web.settings.url_prefix}{path}", method=method, headers=headers, **options)

    def submit(self, prompt: str = "Hello", mode: str = "chat", **body: Any) -> str:
        """The id of a new request."""
        response = self.call("POST", "/request", json={"prompt": prompt, "mode": mode, **body})
        assert response.status_code == 201, f"{response.status_code}: {response.text}"
        return str(response.get_json()["request_id"])

    def events(self, request_id: str, after: str = "") -> list[sse.Message]:
        """The events behind a cursor, to the last one: waits until the request has ended."""
        response = self.call("GET", f"/stream/{request_id}", headers={"Last-Event-ID": after} if after else {})
        assert response.status_code in (200, 204), f"{response.status_code}: {response.text}"
        return list(sse.decode([response.data]))

    def ask(self, prompt: str = "Hello", mode: str = "chat", **body: Any) -> Answer:
        """A request from its POST to its end, and to what those who listen to its signals do then."""
        request_id = self.submit(prompt, mode, **body)
        answer, ends = Answer(request_id, self.events(request_id)), time.monotonic() + _PATIENCE
        while (
            self.web.service.runs(request_id) and time.monotonic() < ends
        ):  # receivers hear of the end after it is out
            time.sleep(0.001)
        return answer

    def record(self, request_id: str) -> dict[str, Any]:
        """The request as it stands."""
        response = self.call("GET", f"/request/{request_id}")
        assert response.status_code == 200, f"{response.status_code}: {response.text}"
        found: dict[str, Any] = response.get_json()
        return found

    def reply(self, request_id: str, action_id: str, status: str = "ok", value: Any = None) -> TestResponse:
        """What the page says to an action."""
        body = {"status": status, "value": value} if status == "ok" else {"status": status}
        return self.call("POST", f"/request/{request_id}/actions/{action_id}", json=body)

    def cancel(self, request_id: str) -> TestResponse:
        return self.call("DELETE", f"/request/{request_id}")

    def _login(self) -> dict[str, str]:
        if not self.web.auth.by_token:  # the app's own login: its test logs in on `http`
            return {}
        with self.app.app_context():
            return {"Authorization": f"Bearer {create_access_token(self.user)}"}
