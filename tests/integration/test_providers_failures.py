"""The real providers against a model server that fails: what each failure becomes, and what is tried again."""

from __future__ import annotations

import logging
import socket
import time
import traceback
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from assistant.errors import AssistantError
from assistant.protocols import Finish, ToolCall
from assistant.providers.upstream import Patience
from tests.integration.asking import KEY, PROMPT, Provider, ask, heard, listening, say, talking, text_of
from tests.scenarios import SECRET_WORDS, TEXT, Chat, Reply, data
from tests.upstream import Upstream


# --- answers that are not whole ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["no-reason", "empty"])
def test_a_stream_that_ends_without_a_reason_has_no_finish(provider: Provider, model: str) -> None:
    deltas = ask(provider, model)

    assert not [delta for delta in deltas if isinstance(delta, (Finish, ToolCall))]


@pytest.mark.parametrize(
    ("model", "text", "code"),
    [
        ("reset", "Hello", "provider_incomplete"),
        ("cut", "Hello", "provider_incomplete"),
        ("bad-json", "Hello", "provider_protocol"),
        ("bad-utf8", "Hello", "provider_protocol"),
        ("bad-shape", "Hello", "provider_protocol"),
        ("bad-sse", "", "provider_protocol"),
        ("page", "", "provider_protocol"),
        ("hang-in-text", "Hello", "provider_timeout"),
        ("hang-open", "", "provider_timeout"),
        ("refused", "Hello", "content_refused"),
        ("error-1-529-overloaded_error", "Hello", "provider_unavailable"),
        ("error-2-529-overloaded_error", "Hello", "provider_unavailable"),
        ("error-3-529-overloaded_error", "Hello", "provider_unavailable"),
        ("error-1-429-rate_limit_error", "Hello", "provider_rate_limited"),
        ("error-2-429-rate_limit_error", "Hello", "provider_rate_limited"),
        ("error-1-401-authentication_error", "Hello", "provider_auth"),
        ("error-2-401-authentication_error", "Hello", "provider_auth"),
    ],
)
def test_what_breaks_in_the_middle_keeps_its_text_and_is_asked_once(
    provider: Provider, upstream: Upstream, model: str, text: str, code: str
) -> None:
    assert heard(provider, model) == (text, code)

    assert len(upstream.seen) == 1


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_a_reason_that_says_the_answer_was_cut_is_no_end(upstream: Upstream, reason: str) -> None:
    chat = Chat("m")
    upstream.then(Reply([chat.text("Hello"), chat.finish(reason), chat.done()]))

    with talking("openai", upstream.url) as provider:
        assert heard(provider, "m") == ("Hello", "provider_incomplete")


# --- answers that never begin ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "code", "calls"),
    [
        ("status-400", "invalid_request", 1),
        ("status-400-content_filter", "content_refused", 1),
        ("status-400-content_filter-2", "content_refused", 1),
        ("status-400-content_filter-3", "content_refused", 1),
        ("status-400-context_length_exceeded", "too_large", 1),
        ("status-401", "provider_auth", 1),
        ("status-401-x-2", "provider_auth", 1),
        ("status-403-x-3", "provider_auth", 1),
        ("status-404", "misconfigured", 1),
        ("status-413-x-4", "too_large", 1),
        ("status-429", "provider_rate_limited", 3),
        ("status-429-insufficient_quota", "provider_rate_limited", 1),
        ("status-500-x-4", "provider_unavailable", 3),
        ("status-503", "provider_unavailable", 3),
        ("status-529-overloaded_error", "provider_unavailable", 3),
        ("reset-at-once", "provider_unavailable", 3),
        ("hang", "provider_timeout", 1),
    ],
)
def test_a_refusal_has_its_code_and_only_what_may_pass_is_tried_again(
    provider: Provider, upstream: Upstream, model: str, code: str, calls: int
) -> None:
    assert heard(provider, model) == ("", code)

    assert len(upstream.seen) == calls


def test_a_server_that_recovers_is_not_noticed(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 503), Reply([b"{}"], 429, {"Retry-After": "0"}))

    deltas = ask(provider, "ok")

    assert text_of(deltas) == TEXT
    assert len(upstream.seen) == 3


def test_retry_after_is_waited_for(provider: Provider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr("assistant.providers.upstream.time", SimpleNamespace(**{**vars(time), "sleep": sleep}))
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "0.3"}))

    ask(provider, "ok")

    first, second = upstream.seen
    assert second.at - first.at >= 0.3
    assert len(pauses) == 1
    assert 0.3 <= pauses[0] <= 0.3 * 1.25  # and no more than what scatters those who failed together


def test_a_long_retry_after_is_passed_on_and_not_waited_for(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "37"}))

    with pytest.raises(AssistantError) as caught:
        ask(provider, "ok")

    assert (caught.value.code, caught.value.retry_after) == ("provider_rate_limited", 37)
    assert len(upstream.seen) == 1


def test_a_server_that_says_do_not_retry_is_believed(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 503, {"x-should-retry": "false"}))

    assert heard(provider, "ok") == ("", "provider_unavailable")

    assert len(upstream.seen) == 1


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_server_that_is_not_there_is_unavailable(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    with talking(name, f"http://127.0.0.1:{port}") as provider:
        assert heard(provider, "ok") == ("", "provider_unavailable")


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_name_that_is_unknown_is_unavailable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gevent.get_hub().resolver, "getaddrinfo", unknown)  # no test asks a name server
    with talking(name, "http://no-such-host.invalid") as provider:
        assert heard(provider, "ok") == ("", "provider_unavailable")


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_handshake_that_fails_is_unavailable(name: str) -> None:
    with (
        listening(lambda connection, _: connection.sendall(b"this is not TLS")) as port,
        talking(name, f"https://127.0.0.1:{port}") as provider,
    ):
        assert heard(provider, "ok") == ("", "provider_unavailable")


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_connection_that_nobody_takes_is_a_timeout_after_three_tries(name: str) -> None:
    tries: list[float] = []

    def ignore(*_: object) -> None:
        tries.append(time.monotonic())
        gevent.sleep(30)

    # a handshake that is not answered waits like a connection that is not taken, which loopback cannot show
    with listening(ignore) as port:
        hurried = Patience(connect=0.2, idle=10, backoff=0.01)
        with talking(name, f"https://127.0.0.1:{port}", patience=hurried) as provider:
            assert heard(provider, "ok") == ("", "provider_timeout")

    assert len(tries) == 3


# --- what nobody may see -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model",
    ["status-400", "status-401-x-2", "status-403-x-3", "status-500-x-4", "status-429", "page", "bad-json", "reset"]
    + [f"error-{shape}-529-overloaded_error" for shape in (1, 2, 3)],
)
def test_no_failure_tells_the_servers_words_the_key_or_the_prompt(
    provider: Provider, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    with pytest.raises(AssistantError) as caught:
        ask(provider, model)

    trace = "".join(traceback.format_exception(caught.value))
    told = f"{trace} {caught.value.detail} {caught.value.extra} {caplog.text}"
    assert type(caught.value)().detail == caught.value.detail
    assert not [word for word in (SECRET_WORDS, KEY, PROMPT) if word in told]
    assert f"model provider: {caught.value.code}" in caplog.text


def test_an_unknown_event_is_no_reason_to_stop(provider: Provider, upstream: Upstream) -> None:
    language = say(provider)
    news = b"event: news\n" + data({"type": "news", "object": "news", "what": 1})
    told = [language.begin(), news, language.text(TEXT), news, language.finish(), language.done()]
    upstream.then(Reply(told))

    assert heard(provider, "m") == (TEXT, "")
