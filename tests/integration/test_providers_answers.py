"""The real providers against a scripted model server: whole answers, and what is asked."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from assistant.errors import Misconfigured
from assistant.protocols import Citation, Finish, Message, Reasoning, Text, ToolCall
from assistant.providers.upstream import Patience
from tests.integration.asking import KEY, PLAY, PROMPT, Provider, ask, meeting, say, talking, text_of
from tests.scenarios import TEXT, Chat, Messages, Reply
from tests.upstream import Upstream


# --- whole answers -----------------------------------------------------------------------------------------------------
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


def test_pieces_arrive_as_they_are_sent(provider: Provider, upstream: Upstream) -> None:
    language = say(provider)
    heard, waited = Event(), []
    first, rest = language.text("Hello"), [language.text(", world"), language.finish(), language.done()]
    upstream.then(Reply([language.begin(), first, lambda: waited.append(heard.wait(2)), *rest]))
    stream = provider.stream([Message("user", PROMPT)], model="m", max_tokens=50)

    begun = next(stream)
    heard.set()

    assert begun == Text("Hello")
    assert text_of(list(stream)) == ", world"
    assert waited == [True], "the first piece came only when more was sent"


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


# --- tool calls --------------------------------------------------------------------------------------------------------
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


# --- what is asked -----------------------------------------------------------------------------------------------------
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
    language = Messages("m")
    signed = language.thought("Hm.") + language.delta("signature_delta", signature="s1g")
    upstream.then(
        Reply(
            [
                language.begin(),
                signed,
                language.text("So:"),
                language.call("t-1", "play", ["{}"]),
                language.finish("tool_calls"),
            ]
        )
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
    language = Messages("m")
    web = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "a"}
    page = {"type": "char_location", "document_title": "B", "cited_text": "b", "document_index": 0}
    cited = [language.delta("citations_delta", citation=citation) for citation in (web, page)]
    upstream.then(Reply([language.begin(), language.text("Yes"), *cited, language.finish(), language.done()]))

    with talking("anthropic", upstream.url) as provider:
        deltas = ask(provider, "m")

    assert deltas[1:3] == [Citation("A", "a", "https://a.example"), Citation("B", "b", "")]


def test_pages_that_an_answer_names_are_citations_each_once(upstream: Upstream) -> None:
    language = Chat("m")
    named = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 3}
    quoted = {"url": "https://b.example", "title": "", "content": "b"}
    odd: list[Any] = [None, "x", {"type": "file"}, {"url_citation": "x"}, {"url_citation": {"title": None}}]
    told = [*({"type": "url_citation", "url_citation": one} for one in (named, quoted, named)), *odd]
    cited = [language.chunk({"annotations": annotations}) for annotations in (told, "none", None)]
    upstream.then(Reply([language.begin(), language.text("Yes"), *cited, language.finish(), language.done()]))

    with talking("openai", upstream.url) as provider:
        deltas = ask(provider, "m")

    assert deltas[1:-1] == [
        Citation("A", "", "https://a.example"),
        Citation("https://b.example", "b", "https://b.example"),
    ]


def test_a_mode_without_a_model_is_a_matter_of_set_up(provider: Provider, upstream: Upstream) -> None:
    with pytest.raises(Misconfigured):
        ask(provider, "")

    assert upstream.seen == []


# --- many at once ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_fifty_streams_flow_side_by_side(upstream: Upstream, name: str) -> None:
    with talking(name, upstream.url, patience=Patience()) as provider:
        meeting(upstream, say(provider), 50)

        readers = [gevent.spawn(ask, provider, "m") for _ in range(50)]
        gevent.joinall(readers, timeout=20)

    assert sorted(text_of(reader.get()) for reader in readers) == sorted(f"{n} and more" for n in range(50))


def test_a_client_serves_as_many_calls_as_may_run(upstream: Upstream) -> None:
    meeting(upstream, Chat("m"), 120)

    with talking("openai", upstream.url, most=120, patience=Patience()) as provider:
        readers = [gevent.spawn(ask, provider, "m") for _ in range(120)]
        gevent.joinall(readers, timeout=20)

        assert all(text_of(reader.get()).endswith("and more") for reader in readers)
