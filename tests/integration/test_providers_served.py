"""The real providers behind the whole server: what a user sees on the wire when the model server misbehaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import gevent
import pytest

from assistant import Assistant, providers, sse
from assistant.config import Settings
from assistant.providers.upstream import Patience
from tests.integration.asking import KEY, PROMPT, QUICK, Play, ask, meeting, say, talking, text_of, until
from tests.integration.conftest import Start, Written
from tests.integration.server import Server
from tests.machine import Stopwatch
from tests.scenarios import SECRET_WORDS, TEXT, Reply
from tests.upstream import Seen, Upstream

Serve = Callable[..., Server]


@pytest.fixture(params=["openai", "anthropic"])
def serve(request: pytest.FixtureRequest, upstream: Upstream, start: Start) -> Iterator[Serve]:
    """Makes a server whose model is `model` of the scripted upstream; other settings by keyword."""
    with ExitStack() as providers_in_use:

        def with_model(model: str, *, patience: Patience = QUICK, **config: Any) -> Server:
            provider = providers_in_use.enter_context(talking(request.param, upstream.url, patience=patience))
            return start(assistant=Assistant(provider=provider), ASSISTANT_MODEL=model, **config).warm()

        yield with_model


def end_of(events: list[sse.Message]) -> tuple[str, dict[str, Any]]:
    """The terminal event, which is the only one of its kind and the last."""
    assert [event.event for event in events if event.event in ("complete", "error")] == [events[-1].event]
    return events[-1].event, events[-1].json()


def streamed(events: list[sse.Message]) -> str:
    return "".join(event.json()["text"] for event in events if event.event == "response_chunk")


def test_a_whole_answer_is_complete_on_the_wire(serve: Serve) -> None:
    server = serve("ok")

    events = server.events(server.started(prompt=PROMPT))

    name, data = end_of(events)
    assert (name, data["outcome"], data["text"], streamed(events)) == ("complete", "completed", TEXT, TEXT)
    assert (data["model"], data["finish_reason"]) == ("ok", "stop")
    assert data["usage"] == {"input_tokens": 11, "output_tokens": 7}


def test_thoughts_are_parts_of_their_own(serve: Serve) -> None:
    server = serve("thoughts")

    _, data = end_of(server.events(server.started()))

    assert [(part["part"], part["text"]) for part in data["parts"]] == [("reasoning", "Let me see."), ("text", TEXT)]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("reset", ("provider_incomplete", "Hello", 1)),
        ("cut", ("provider_incomplete", "Hello", 1)),
        ("no-reason", ("provider_incomplete", "Hello", 1)),
        ("empty", ("provider_incomplete", "", 1)),
        ("bad-json", ("provider_protocol", "Hello", 1)),
        ("bad-sse", ("provider_protocol", "", 1)),
        ("page", ("provider_protocol", "", 1)),
        ("hang-in-text", ("provider_timeout", "Hello", 1)),
        ("refused", ("content_refused", "Hello", 1)),
        ("error-1-529-overloaded_error", ("provider_unavailable", "Hello", 1)),
        ("error-2-429-rate_limit_error", ("provider_rate_limited", "Hello", 1)),
        ("error-3-529-overloaded_error", ("provider_unavailable", "Hello", 1)),
        ("status-400-content_filter", ("content_refused", "", 1)),
        ("status-401", ("provider_auth", "", 1)),
        ("status-404", ("misconfigured", "", 1)),
        ("status-429", ("provider_rate_limited", "", 3)),
        ("status-503", ("provider_unavailable", "", 3)),
        ("reset-at-once", ("provider_unavailable", "", 3)),
    ],
)
def test_a_failure_ends_in_its_code_with_the_partial_text(
    serve: Serve, upstream: Upstream, written: Written, model: str, expected: tuple[str, str, int]
) -> None:
    server = serve(model)

    name, data = end_of(server.events(server.started(prompt=PROMPT)))

    assert name == "error"
    assert (data["code"], data["partial"]["text"], len(upstream.seen)) == expected
    shown = f"{written.text} {data}"
    assert not [word for word in (SECRET_WORDS, KEY, PROMPT) if word in shown]


def test_the_wait_that_the_server_asks_for_reaches_the_user(serve: Serve, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "37"}))
    server = serve("ok")

    _, data = end_of(server.events(server.started()))

    assert (data["code"], data["retryable"], data["retry_after"]) == ("provider_rate_limited", True, 37)


def test_no_first_token_in_time_ends_in_a_timeout_and_frees_the_upstream(serve: Serve, upstream: Upstream) -> None:
    server = serve("hang-open", patience=Patience(idle=30), ASSISTANT_FIRST_CHUNK_TIMEOUT=0.4)

    _, data = end_of(server.events(server.started()))

    assert data["code"] == "provider_timeout"
    assert upstream.seen[0].gone.wait(2)


@pytest.mark.parametrize("model", ["hang", "hang-open", "hang-in-text", "endless"])
def test_a_cancel_closes_the_upstream_within_250_ms(serve: Serve, upstream: Upstream, model: str) -> None:
    server = serve(model, patience=Patience(idle=30))
    request_id = server.started()
    until(lambda: upstream.seen)
    gevent.sleep(0.05)

    with Stopwatch() as since_cancel:
        response = server.call("DELETE", f"/request/{request_id}")
        assert upstream.seen[0].gone.wait(2)

    assert response.status_code == 202
    assert upstream.seen[0].closed is not None
    assert since_cancel.until(upstream.seen[0].closed) <= 0.25
    name, data = end_of(server.events(request_id))
    assert (name, data["outcome"]) == ("complete", "cancelled")
    assert data["text"] == streamed(server.events(request_id))


def test_each_mode_asks_its_model_for_no_more_than_the_cap(serve: Serve, upstream: Upstream) -> None:
    server = serve("ok", ASSISTANT_MODELS="generate=no-done,edit=crlf", ASSISTANT_MAX_OUTPUT_TOKENS=77)

    for mode in ("chat", "generate", "edit"):
        server.events(server.started(mode=mode, context={"content": "text"} if mode == "edit" else None))

    assert [seen.body["model"] for seen in upstream.seen] == ["ok", "no-done", "crlf"]
    assert [seen.body["max_tokens"] for seen in upstream.seen] == [77, 77, 77]


def test_a_tool_call_runs_on_the_page_and_its_outcome_goes_back(serve: Serve, upstream: Upstream) -> None:
    server = serve("tool")
    server.assistant.action("play")(Play)

    request_id = server.started(context={"actions": ["play"]})
    until(lambda: len(upstream.seen) >= 2)
    server.call("DELETE", f"/request/{request_id}")

    actions = [event.json() for event in server.events(request_id) if event.event == "action"]
    assert (actions[0]["name"], actions[0]["args"], actions[0]["phase"]) == ("play", {"bpm": 120}, "proposed")
    assert outcomes(upstream.seen[1]) == [("t-1", "Done.")]


def outcomes(seen: Seen) -> list[tuple[str, str]]:
    """What the model was told of its tool calls, in either language."""
    messages = seen.body["messages"]
    told = [(one["tool_call_id"], one["content"]) for one in messages if one["role"] == "tool"]
    blocks = [block for one in messages if isinstance(one["content"], list) for block in one["content"]]
    return told + [(one["tool_use_id"], one["content"]) for one in blocks if one["type"] == "tool_result"]


def test_fifty_requests_flow_side_by_side(serve: Serve, upstream: Upstream) -> None:
    server = serve("m", patience=Patience(), ASSISTANT_MAX_ACTIVE_PER_USER=50, ASSISTANT_RATES="chat=1000/minute")
    meeting(upstream, say(server.assistant.provider), 50)

    ids = [server.started() for _ in range(50)]
    answers = [end_of(server.events(request_id))[1]["text"] for request_id in ids]

    assert sorted(answers) == sorted(f"{number} and more" for number in range(50))


@pytest.mark.parametrize(("name", "path"), [("openai", "/v1"), ("anthropic", "")])
def test_settings_are_all_that_a_provider_needs(start: Start, upstream: Upstream, name: str, path: str) -> None:
    config = {"ASSISTANT_PROVIDER": name, "ASSISTANT_MODEL": "ok", "ASSISTANT_BASE_URL": upstream.url + path}
    provider: Any = providers.build(Settings.load(config, {}))

    with closing(provider):
        server = start(assistant=Assistant(provider=provider), **config).warm()
        _, data = end_of(server.events(server.started()))

    assert data["text"] == TEXT
    assert upstream.seen[0].key == "none"


@pytest.mark.system
def test_the_scripted_server_serves_other_processes_too() -> None:
    command = [sys.executable, "-m", "tests.upstream", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with talking("openai", process.stdout.readline().strip()) as provider:
                deltas = ask(provider, "ok")
        finally:
            process.terminate()

    assert text_of(deltas) == TEXT
