"""A stand-alone server behind Flask's test client, with users, bounded reads and a clean end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import gevent
from flask import Flask
from flask_jwt_extended import create_access_token
from werkzeug.test import TestResponse

from assistant import Assistant, create_app, sse
from assistant.testing import SECRET, ScriptedProvider

# Longest that any read waits for something that should happen at once; seconds.
SOON = 5.0
# No folder: a configuration that lies about on a developer's machine must not reach a test.
_NO_INSTANCE = str(Path(__file__).parent / "no-instance")


class Server:
    """An app and its client. Settings by keyword; `script` is what the model says, `identify` the team's own login."""

    def __init__(self, *script: Any, assistant: Assistant | None = None, identify: Any = None, **config: Any) -> None:
        provider = ScriptedProvider(list(script)) if script else ScriptedProvider()
        assistant = assistant or Assistant(provider=provider, identify=identify)
        config = {"JWT_SECRET_KEY": SECRET, "TESTING": True, **config}
        self.app: Flask = create_app(config, assistant=assistant, instance_path=_NO_INSTANCE)
        self.assistant = assistant
        self.web = self.app.extensions["assistant"]
        self.client = self.app.test_client(use_cookies=False)

    # --- who asks ---
    def bearer(self, user: str = "ann", **claims: Any) -> dict[str, str]:
        with self.app.app_context():
            token = create_access_token(user, expires_delta=timedelta(minutes=5), additional_claims=claims)
        return {"Authorization": f"Bearer {token}"}

    # --- what is asked ---
    def call(
        self, method: str, path: str, *, user: str | None = "ann", headers: Any = (), **options: Any
    ) -> TestResponse:
        """One request as `user`; None is nobody. Paths are below the prefix."""
        sent = [*(self.bearer(user).items() if user else ()), *_pairs(headers)]
        with gevent.Timeout(SOON):
            return self.client.open(f"/assistant{path}", method=method, headers=sent, **options)

    def post(self, body: Any = None, *, user: str | None = "ann", headers: Any = (), **fields: Any) -> TestResponse:
        body = {"prompt": "Hello", "mode": "chat", **fields} if body is None else body
        return self.call("POST", "/request", user=user, headers=headers, json=body)

    def started(self, **fields: Any) -> str:
        """The id of a request that was accepted."""
        response = self.post(**fields)
        assert response.status_code == 201, response.text
        request_id: str = response.json["request_id"]
        return request_id

    def events(self, request_id: str, *, user: str = "ann", headers: Any = ()) -> list[sse.Message]:
        """All events of a request, to its end."""
        with gevent.Timeout(SOON):
            return list(sse.decode([self.call("GET", f"/stream/{request_id}", user=user, headers=headers).data]))

    def waiting(self, request_id: str) -> dict[str, Any]:
        """The record of a request, once it waits for the page."""
        record: dict[str, Any] = {}
        with gevent.Timeout(SOON):
            while record.get("status") != "waiting_action":
                gevent.sleep(0.001)
                record = self.call("GET", f"/request/{request_id}").json
        return record

    def finished(self) -> None:
        """Waits until nothing runs any more."""
        with gevent.Timeout(SOON):
            while not self.web.service.idle:
                gevent.sleep(0.001)

    def close(self) -> None:
        self.web.service.stop_all("draining")
        self.finished()
        self.web.janitor.close()

    def warm(self) -> Server:
        """Starts the janitor now, so that a test which is the first to ask does not seem to leave it behind."""
        self.web.janitor.ensure()
        return self


def problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, which is problem+json with this status and code."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = response.json
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:assistant:problem:{code}"
    assert {"title", "detail", "kind", "retryable"} <= body.keys()
    return body


def _pairs(headers: Any) -> Iterable[tuple[str, str]]:
    return headers.items() if isinstance(headers, dict) else headers
