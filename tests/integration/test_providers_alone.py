"""The real providers against a scripted model server: what each misbehaviour becomes, without a server of ours."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gevent
import pytest
from gevent.pool import Pool
from gevent.server import StreamServer
from pydantic import BaseModel

from assistant.actions import ActionSpec
from assistant.errors import AssistantError, Misconfigured
from assistant.protocols import Citation, Delta, Finish, Message, Reasoning, Text, ToolCall
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.openai import OpenAIProvider
from assistant.providers.upstream import Access, Patience
from tests.upstream import PIECES, SECRET_WORDS, SLOW, TEXT, Chat, Messages, Reply, Upstream, data

KEY = "sk-key-canary"
PROMPT = "prompt-canary"
# Short enough for tests, long enough for a busy machine; each scenario's own pauses are far shorter or far longer.
QUICK = Patience(connect=2.0, idle=0.6, backoff=0.01, retry_after=0.5)

Provider = OpenAIProvider | AnthropicProvider


class Play(BaseModel):
    bpm: int


PLAY = ActionSpec("play", Play, "nothing", None, "Plays.")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[Provider]:
    with talking(request.param, upstream.url) as one:
        yield one


@contextmanager
def talking(name: str, url: str, **how: Any) -> Iterator[Provider]:
    kind, path = {"openai": (OpenAIProvider, "/v1"), "anthropic": (AnthropicProvider, "")}[name]
    with closing(kind(Access(KEY, url + path), **{"patience": QUICK, **how})) as provider:
        yield provider


def ask(provider: Provider, model: str, *messages: Message, **more: Any) -> list[Delta]:
    asked = messages or (Message("user", PROMPT),)
    return list(provider.stream(asked, model=model, max_tokens=50, **more))


def heard(provider: Provider, model: str) -> tuple[str, str]:
    """The text that came before a failure, and the failure's code; no code when there was none."""
    texts = []
    try:
        for delta in provider.stream([Message("user", PROMPT)], model=model, max_tokens=50):
            texts.append(delta.text if isinstance(delta, Text) else "")
    except AssistantError as problem:
        return "".join(texts), problem.code
    return "".join(texts), ""


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


# --- whole answers ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model",
    [
        "ok",
        "slow-first",
        "slow-between",
        "bytewise",
        "crlf",
        "comments",
        "odd-role",
        "no-done",
        "usage-after",
        "usage-none",
        "reset-at-end",
        "hang-at-end",
    ],
)
def test_a_whole_answer_is_whole_however_it_comes(provider: Provider, model: str) -> None:
    deltas = ask(provider, model)

    assert text_of(deltas) == TEXT
    assert isinstance(deltas[-1], Finish)
    assert (deltas[-1].reason, deltas[-1].model) == ("stop", model)
    assert [delta for delta in deltas if isinstance(delta, Finish)] == deltas[-1:]


@pytest.mark.parametrize("model", ["ok", "no-done", "usage-after"])
def test_usage_is_told_wherever_the_server_puts_it(provider: Provider, model: str) -> None:
    deltas = ask(provider, model)

    assert deltas[-1].usage == {"input_tokens": 11, "output_tokens": 7}  # type: ignore[union-attr]


def test_an_answer_without_usage_has_none(upstream: Upstream) -> None:
    with talking("openai", upstream.url) as provider:
        deltas = ask(provider, "usage-none")

    assert deltas[-1] == Finish("stop", "usage-none", None)


def test_pieces_arrive_as_they_are_sent(provider: Provider) -> None:
    stream = provider.stream([Message("user", PROMPT)], model="slow-between", max_tokens=50)

    moments = [time.monotonic() for delta in stream if isinstance(delta, Text)]

    assert len(moments) == len(PIECES)
    assert moments[-1] - moments[0] > SLOW / 5 * (len(PIECES) - 2)


def test_a_huge_delta_arrives_in_one_piece(provider: Provider) -> None:
    deltas = ask(provider, "huge")

    assert [len(delta.text) for delta in deltas if isinstance(delta, Text)] == [1_000_000]


def test_thoughts_are_reasoning_and_not_text(provider: Provider) -> None:
    deltas = ask(provider, "thoughts")

    assert [delta.text for delta in deltas if isinstance(delta, Reasoning)] == ["Let me ", "see."]
    assert text_of(deltas) == TEXT


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names_among_servers_and_is_told_once(upstream: Upstream, name: str) -> None:
    chat = Chat("m")
    both = {"reasoning_content": "Hm.", name: "Hm."}
    upstream.then(Reply([chat.chunk(both), chat.text("Yes"), chat.finish()]))

    with talking("openai", upstream.url) as provider:
        deltas = ask(provider, "m")

    assert deltas[:2] == [Reasoning("Hm."), Text("Yes")]


def test_the_end_at_the_token_limit_is_an_end(provider: Provider) -> None:
    deltas = ask(provider, "length")

    assert deltas[-1].reason == "length"  # type: ignore[union-attr]


# --- tool calls ---------------------------------------------------------------------------------------------------
def test_a_tool_call_is_put_together_from_its_pieces(provider: Provider) -> None:
    deltas = ask(provider, "tool", tools=[PLAY])

    assert deltas[:-1] == [Text("So:"), ToolCall("t-1", "play", {"bpm": 120})]
    assert deltas[-1].reason == "tool_calls"  # type: ignore[union-attr]


def test_several_tool_calls_keep_their_order_and_may_have_no_arguments(provider: Provider) -> None:
    deltas = ask(provider, "tools", tools=[PLAY])

    assert deltas[:-1] == [ToolCall("t-1", "play", {"bpm": 120}), ToolCall("t-2", "stop", {})]


def test_arguments_that_are_no_json_are_passed_on_for_the_model_to_hear_of(provider: Provider) -> None:
    deltas = ask(provider, "tool-bad", tools=[PLAY])

    assert deltas[0] == ToolCall("t-1", "play", '{"bpm": ')


def test_calls_that_share_an_index_are_told_apart_by_their_ids(upstream: Upstream) -> None:
    chat = Chat("m")
    upstream.then(Reply([chat.call("a", "play", ["{}"]), chat.call("b", "play", ["[1]"]), chat.finish("tool_calls")]))

    with talking("openai", upstream.url) as provider:
        deltas = ask(provider, "m")

    assert deltas[:-1] == [ToolCall("a", "play", {}), ToolCall("b", "play", [1])]


def test_a_call_without_an_id_gets_one(upstream: Upstream) -> None:
    chat = Chat("m")
    piece = {"function": {"name": "play", "arguments": "{}"}}
    upstream.then(Reply([chat.chunk({"tool_calls": [piece]}), chat.finish("tool_calls")]))

    with talking("openai", upstream.url) as provider:
        call = ask(provider, "m")[0]

    assert isinstance(call, ToolCall)
    assert call.call_id.startswith("call_")


# --- what is asked ------------------------------------------------------------------------------------------------
CONVERSATION = (
    Message("system", "Be brief."),
    Message("assistant", "An old answer whose question was cut."),
    Message("user", "The document"),
    Message("user", PROMPT),
    Message("assistant", "", calls=(ToolCall("t-1", "play", {"bpm": 1}), ToolCall("t-2", "play", {"bpm": 2}))),
    Message("tool", "Done.", call_id="t-1"),
    Message("tool", "No.", call_id="t-2"),
)


def test_chat_completions_are_asked_in_their_own_terms(upstream: Upstream) -> None:
    with talking("openai", upstream.url) as provider:
        ask(provider, "ok", *CONVERSATION, tools=[PLAY])

    (seen,) = upstream.seen
    body = seen.body
    assert (seen.path, seen.key) == ("/v1/chat/completions", KEY)
    assert (body["model"], body["max_tokens"], body["stream"]) == ("ok", 50, True)
    assert body["stream_options"] == {"include_usage": True}
    assert body["tools"] == [
        {"type": "function", "function": {"name": "play", "description": "Plays.", "parameters": PLAY.schema()}}
    ]
    assert [message["role"] for message in body["messages"]] == [message.role for message in CONVERSATION]
    assert body["messages"][4]["content"] is None
    assert body["messages"][4]["tool_calls"][1] == {
        "id": "t-2",
        "type": "function",
        "function": {"name": "play", "arguments": '{"bpm":2}'},
    }
    assert body["messages"][6] == {"role": "tool", "tool_call_id": "t-2", "content": "No."}


def test_messages_are_asked_as_alternating_turns_that_begin_with_the_user(upstream: Upstream) -> None:
    with talking("anthropic", upstream.url) as provider:
        ask(provider, "ok", *CONVERSATION, tools=[PLAY])

    (seen,) = upstream.seen
    body = seen.body
    assert (seen.path, seen.key) == ("/v1/messages", KEY)
    assert (body["model"], body["max_tokens"], body["stream"], body["system"]) == ("ok", 50, True, "Be brief.")
    assert body["tools"] == [{"name": "play", "description": "Plays.", "input_schema": PLAY.schema()}]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "The document"}, {"type": "text", "text": PROMPT}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "t-1", "name": "play", "input": {"bpm": 1}},
                {"type": "tool_use", "id": "t-2", "name": "play", "input": {"bpm": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t-1", "content": "Done."},
                {"type": "tool_result", "tool_use_id": "t-2", "content": "No."},
            ],
        },
    ]


def test_no_tools_and_no_system_text_are_left_out(provider: Provider, upstream: Upstream) -> None:
    ask(provider, "ok")

    assert not {"tools", "system"} & upstream.seen[0].body.keys()


def test_thoughts_before_a_tool_call_go_back_to_the_model_as_they_were(upstream: Upstream) -> None:
    say = Messages("m")
    signed = say.thought("Hm.") + say.delta("signature_delta", signature="s1g")
    upstream.then(
        Reply([say.begin(), signed, say.text("So:"), say.call("t-1", "play", ["{}"]), say.finish("tool_calls")])
    )

    with talking("anthropic", upstream.url) as provider:
        ask(provider, "m")
        ask(
            provider,
            "ok",
            Message("user", PROMPT),
            Message("assistant", "So:", calls=(ToolCall("t-1", "play", {}),)),
            Message("tool", "Done.", call_id="t-1"),
        )

    assert upstream.seen[1].body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1g"},
        {"type": "text", "text": "So:"},
        {"type": "tool_use", "id": "t-1", "name": "play", "input": {}},
    ]


def test_sources_are_citations(upstream: Upstream) -> None:
    say = Messages("m")
    web = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "a"}
    page = {"type": "char_location", "document_title": "B", "cited_text": "b", "document_index": 0}
    cited = [say.delta("citations_delta", citation=citation) for citation in (web, page)]
    upstream.then(Reply([say.begin(), say.text("Yes"), *cited, say.finish(), say.done()]))

    with talking("anthropic", upstream.url) as provider:
        deltas = ask(provider, "m")

    assert deltas[1:3] == [Citation("A", "a", "https://a.example"), Citation("B", "b", "")]


def test_a_mode_without_a_model_is_a_matter_of_set_up(provider: Provider, upstream: Upstream) -> None:
    with pytest.raises(Misconfigured):
        ask(provider, "")

    assert upstream.seen == []


# --- answers that are not whole -----------------------------------------------------------------------------------
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


# --- answers that never begin -------------------------------------------------------------------------------------
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


def test_retry_after_is_waited_for(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "0.3"}))

    ask(provider, "ok")

    first, second = upstream.seen
    assert 0.3 <= second.at - first.at < 1.5


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
def test_a_name_that_is_unknown_is_unavailable(name: str) -> None:
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


@contextmanager
def listening(serve: Callable[..., None]) -> Iterator[int]:
    pool = Pool()
    server = StreamServer(("127.0.0.1", 0), serve, spawn=pool)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=0)
        pool.kill()


# --- leaving ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["endless", "hang-in-text"])
def test_closing_the_stream_closes_the_connection_at_once(provider: Provider, upstream: Upstream, model: str) -> None:
    stream = provider.stream([Message("user", PROMPT)], model=model, max_tokens=50)
    next(stream)

    left = time.monotonic()
    stream.close()

    assert upstream.seen[0].gone.wait(2)
    assert upstream.seen[0].closed is not None
    assert upstream.seen[0].closed - left <= 0.25


class Stopped(BaseException):
    """Stands for what the runner throws into a greenlet that waits."""


@pytest.mark.parametrize("model", ["hang", "hang-open", "hang-in-text"])
def test_a_stop_thrown_into_the_wait_closes_the_connection_at_once(
    provider: Provider, upstream: Upstream, model: str
) -> None:
    def read() -> None:
        with pytest.raises(Stopped):
            ask(provider, model)

    reader = gevent.spawn(read)
    until(lambda: bool(upstream.seen))
    gevent.sleep(0.05)

    left = time.monotonic()
    gevent.get_hub().loop.run_callback(lambda: reader.throw(Stopped()))
    reader.get(timeout=2)

    assert upstream.seen[0].gone.wait(2)
    assert upstream.seen[0].closed is not None
    assert upstream.seen[0].closed - left <= 0.25


def test_a_stop_between_two_tries_ends_the_tries(provider: Provider, upstream: Upstream) -> None:
    upstream.then(Reply([b"{}"], 429, {"Retry-After": "0.4"}))
    reader = gevent.spawn(ask, provider, "ok")
    until(lambda: bool(upstream.seen))

    reader.kill()
    gevent.sleep(0.6)

    assert len(upstream.seen) == 1


def until(true: Callable[[], bool], seconds: float = 2.0) -> None:
    with gevent.Timeout(seconds):
        while not true():
            gevent.sleep(0.005)


# --- many at once -------------------------------------------------------------------------------------------------
def test_fifty_streams_flow_side_by_side(provider: Provider, upstream: Upstream) -> None:
    ask(provider, "ok")  # the client is made, the models are built
    prompts = [f"{number} a b c d e f g h" for number in range(50)]
    order: list[int] = []

    def read(number: int) -> str:
        texts = []
        for delta in provider.stream([Message("user", prompts[number])], model="echo-plain", max_tokens=50):
            if isinstance(delta, Text):
                order.append(number)
                texts.append(delta.text)
        return " ".join(texts)

    readers = [gevent.spawn(read, number) for number in range(50)]
    gevent.joinall(readers, timeout=20)

    assert [reader.value for reader in readers] == prompts
    assert len(set(order[:150])) == 50, "some streams waited for others to end"


def test_a_client_serves_as_many_calls_as_may_run(upstream: Upstream) -> None:
    with talking("openai", upstream.url, most=120) as provider:
        readers = [gevent.spawn(ask, provider, "slow-first") for _ in range(120)]
        gevent.joinall(readers, timeout=20)

        assert [text_of(reader.get()) for reader in readers] == [TEXT] * 120


# --- what nobody may see ------------------------------------------------------------------------------------------
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

    told = f"{caught.value} {caught.value.detail} {caught.value.extra} {caplog.text}"
    assert type(caught.value)().detail == caught.value.detail
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not [word for word in (SECRET_WORDS, KEY, PROMPT) if word in told]
    assert f"model provider: {caught.value.code}" in caplog.text


def test_an_unknown_event_is_no_reason_to_stop(provider: Provider, upstream: Upstream) -> None:
    say: Any = Messages("m") if isinstance(provider, AnthropicProvider) else Chat("m")
    news = b"event: news\n" + data({"type": "news", "object": "news", "what": 1})
    upstream.then(Reply([say.begin(), news, say.text(TEXT), news, say.finish(), say.done()]))

    assert heard(provider, "m") == (TEXT, "")
