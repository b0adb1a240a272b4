"""The built-in demo finds the right passage, says what it is, and tells nothing about the product that is not true."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from typing import Any

import pytest

from assistant import handlers
from assistant.catalog import Catalog
from assistant.errors import ActionDenied, ActionExpired
from assistant.events import Event
from assistant.protocols import Citation, Finish, Message, Text
from assistant.providers.demo import ACTIONS, MODEL, NOTICE, SHORT_NOTICE, DemoProvider
from assistant.providers.demo_edits import edit
from assistant.providers.demo_search import Passage, passages, search
from assistant.testing import run_handler
from tests.unit.told import ROOT, broken_claims, execute

each_passage = pytest.mark.parametrize("one", passages(), ids=lambda one: one.id)


NAMES = [spec.name for spec in ACTIONS]


def ask_demo(
    prompt: str, mode: str = "chat", *, replies: Mapping[str, Any] | None = None, **context: Any
) -> list[Event]:
    """The events of a built-in mode over the demo, whose page offers what `context` says."""
    catalog = Catalog()
    handlers.register(catalog)
    for spec in ACTIONS:
        catalog.add_action(spec)
    handler = catalog.modes[mode].handler
    demo = DemoProvider(pause=0)
    return run_handler(handler, prompt=prompt, mode=mode, context=context, llm=demo, replies=replies, catalog=catalog)


def told(events: list[Event], part: str = "text") -> str:
    return "".join(e.data["text"] for e in events if e.name == "response_chunk" and e.data["part"] == part)


def kinds(events: list[Event]) -> list[str]:
    return [event.data["kind"] for event in events if "kind" in event.data]


# --- the passages are true -------------------------------------------------------------------------------------
@each_passage
def test_a_passage_names_only_settings_commands_and_routes_that_exist(one: Passage) -> None:
    text = f"{one.question}\n{one.text}\n{one.code}"

    assert broken_claims(text) == []


@each_passage
def test_a_passage_points_to_a_page_that_exists(one: Passage) -> None:
    assert (ROOT / one.source).is_file()


@pytest.mark.parametrize("one", [one for one in passages() if one.language == "python"], ids=lambda one: one.id)
def test_a_python_sample_runs(one: Passage) -> None:
    execute(one.code)


@pytest.mark.parametrize("one", [one for one in passages() if one.language == "sh"], ids=lambda one: one.id)
def test_a_shell_sample_is_shell(one: Passage) -> None:
    assert subprocess.run(["bash", "-n", "-c", one.code], check=False, capture_output=True).stderr == b""


def test_a_claim_about_what_is_not_there_is_seen() -> None:
    text = "`make coffee`, ASSISTANT_COFFEE, `ASSISTANT_HEARTBEAT` (16 s), flask assistant brew, /assistant/coffee, $BASE/coffee"

    assert broken_claims(text) == [
        "ASSISTANT_COFFEE",
        "ASSISTANT_HEARTBEAT is 16",
        "make coffee",
        "flask assistant brew",
        "/coffee",
        "/coffee",
    ]


# --- the search ------------------------------------------------------------------------------------------------
@each_passage
def test_a_passage_is_found_by_its_own_question(one: Passage) -> None:
    assert search(one.question)[0] == one


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("how do i start the server", "run"),
        ("curl example please", "first"),
        ("Are you a real AI?", "demo"),
        ("Can I plug in GPT-4?", "openai"),
        ("connect it to Claude", "anthropic"),
        ("we run ollama on our own machine", "local"),
        ("where do I put configuration?", "settings"),
        ("integrate with our existing Flask application", "embed"),
        ("how to write a custom mode", "own_mode"),
        ("let the model call a function in the browser", "actions"),
        ("human in the loop confirmation before deleting", "ask"),
        ("change the personality of the assistant", "system"),
        ("persist chats in postgres", "history"),
        ("what are the message types on the SSE stream", "events"),
        ("my wifi dropped, do I lose the answer?", "resume"),
        ("How does the browser reconnect after losing the network?", "resume"),
        ("the user pressed the stop button", "cancel"),
        ("what if someone closes the laptop in the middle of an answer", "leaving"),
        ("I get 429, why?", "limits"),
        ("avoid double submit on retry", "idempotency"),
        ("does it support RS256?", "jwt"),
        ("streaming is buffered by my reverse proxy", "nginx"),
        ("zero downtime deploy", "drain"),
        ("a request hangs, when does it time out", "clocks"),
        ("can it scale to 4 workers?", "memory"),
        ("What happens if the server crashes?", "memory"),
        ("how can I unit test my handler without a server", "testing"),
        ("protect against prompt injection", "sanitize"),
        ("could another user see my answer", "owners"),
        ("how long are finished answers kept", "clocks"),
    ],
)
def test_a_question_in_the_users_own_words_finds_its_passage(question: str, wanted: str) -> None:
    assert search(question)[0].id == wanted


@pytest.mark.parametrize(
    "question",
    [
        "What is the weather in Paris?",
        "how tall is mount everest",
        "Write a python function that sorts a list",
        "what is the meaning of life",
        "Wie geht es dir heute?",
        "what is 2+2",
        "",
        "???",
    ],
)
def test_a_question_about_something_else_finds_nothing(question: str) -> None:
    assert search(question) == []


def test_a_long_prompt_is_searched_quickly() -> None:
    prompt = " ".join(f"word{number}" for number in range(4_000))

    started = time.process_time()
    search(prompt)

    assert time.process_time() - started < 0.1


# --- the answers -----------------------------------------------------------------------------------------------
def test_the_demo_says_what_it_is_and_how_to_set_a_model() -> None:
    answer = told(ask_demo("How do I run it?"))

    assert answer.startswith("**Running it.**")
    assert "make run" in answer
    assert NOTICE in answer
    assert broken_claims(NOTICE) == []


def test_later_turns_say_it_shortly() -> None:
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": told(ask_demo("Hi"))}]

    answer = told(ask_demo("How do I cancel a request?", history=history))

    assert SHORT_NOTICE in answer
    assert NOTICE not in answer


def test_the_source_of_an_answer_is_an_appendix() -> None:
    events = ask_demo("What happens when the connection drops?")

    assert kinds(events) == ["citation"]
    assert "docs/concepts/log-and-cursors.md" in told(events, "appendix")


@pytest.mark.parametrize("prompt", ["hello", "Hi!", "Hey there", "thanks a lot!", "ok"])
def test_small_talk_is_answered_with_questions_to_ask(prompt: str) -> None:
    events = ask_demo(prompt)

    assert "- What is this server?" in told(events)
    assert kinds(events) == []


@pytest.mark.parametrize("prompt", ["What is this?", "who are you", "Hi, what can you do?", "help"])
def test_a_question_about_itself_tells_what_the_server_is(prompt: str) -> None:
    assert "**What this is.**" in told(ask_demo(prompt))


@pytest.mark.parametrize("prompt", ["Tell me a joke", "What is the weather in Paris?", "\u4f60\u597d"])
def test_a_question_about_something_else_is_answered_plainly(prompt: str) -> None:
    answer = told(ask_demo(prompt))

    assert answer.startswith("I know nothing about that")
    assert NOTICE in answer


def test_a_short_question_leans_on_the_one_before() -> None:
    history = [{"role": "user", "content": "Can I use tokens in a cookie?"}, {"role": "assistant", "content": "Yes."}]

    alone, leaning = told(ask_demo("and the origin?")), told(ask_demo("and the origin?", history=history))

    assert alone.startswith("**Pages on another origin.**")
    assert leaning.startswith("**Tokens in cookies.**")


def test_asked_for_more_it_tells_what_it_has_not_told() -> None:
    question = "How do I cancel a request?"
    first = told(ask_demo(question))
    history = [{"role": "user", "content": question}, {"role": "assistant", "content": first}]

    second = told(ask_demo("tell me more", history=history))

    assert first.startswith("**Stopping an answer.**")
    assert second.startswith("**")
    assert not second.startswith("**Stopping an answer.**")


def test_prompts_are_suggested_only_where_the_page_can_show_them() -> None:
    offered = [e for e in ask_demo("How do I run it?", actions=["suggest_prompts"]) if e.name == "action"]
    silent = [e for e in ask_demo("How do I run it?") if e.name == "action"]

    assert [event.data["name"] for event in offered] == ["suggest_prompts"]
    assert {one.question for one in passages()} >= set(offered[0].data["args"]["prompts"])
    assert len(offered[0].data["args"]["prompts"]) == 3
    assert silent == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [(None, "You said yes."), (True, "You said yes."), (ActionDenied(), "You said no."), (ActionExpired(), "Nobody")],
)
def test_asked_about_approvals_it_asks_for_one_and_goes_on(reply: Any, said: str) -> None:
    events = ask_demo("How do I wait for the user's approval?", replies={"try_approval": reply}, actions=NAMES)

    assert [event.data["name"] for event in events if event.name == "action"] == NAMES[::-1]
    assert f"\n\n{said}" in told(events)
    assert kinds(events) == ["citation"]


@pytest.mark.parametrize(
    ("mode", "actions"), [("chat", []), ("generate", ["try_approval"]), ("edit", ["try_approval"])]
)
def test_it_asks_only_where_the_page_can_and_text_may_follow(mode: str, actions: list[str]) -> None:
    events = ask_demo("a handler that asks the user for approval", mode, actions=actions, content="x = 1")

    assert [event for event in events if event.name == "action"] == []


def test_generate_puts_the_sample_into_an_appendix() -> None:
    events = ask_demo("a handler that asks the user for approval", "generate")

    assert kinds(events) == ["code", "citation"]
    assert "@assistant.action(" in told(events, "appendix")
    assert "```" not in told(events)


def test_generate_says_that_it_cannot_write_a_poem() -> None:
    events = ask_demo("a poem about the sea", "generate")

    assert told(events).startswith("That needs a model")
    assert kinds(events) == ["code", "citation"]


def test_edit_gives_the_whole_document_back() -> None:
    document = "one cat\n```\nanother cat\n```\n"

    events = ask_demo('Replace "cat" with "dog"', "edit", content=document)

    assert told(events, "appendix").rstrip("\n") == document.replace("cat", "dog").rstrip("\n")
    assert "2 times" in told(events)


@pytest.mark.parametrize(
    ("prompt", "after"),
    [
        ("replace b by x", "x\n\na"),
        ("UPPERCASE please", "B\n\nA"),
        ("all lower case", "b\n\na"),
        ("sort the lines", "\na\nb"),
        ("reverse it", "a\n\nb"),
        ("remove empty lines", "b\na"),
        ("number the lines", "1. b\n2. \n3. a"),
        ("make it more fun", "b\n\na"),
    ],
)
def test_edits_that_need_no_thought_are_done(prompt: str, after: str) -> None:
    assert edit(prompt, "b\n\na").text == after


def test_an_edit_that_needs_a_model_is_said_to() -> None:
    assert edit("make it more fun", "b").said.startswith("That needs a model")


def test_a_document_beside_a_chat_does_not_make_it_an_edit() -> None:
    answer = told(ask_demo("How do I cancel a request?", content="some document"))

    assert answer.startswith("**Stopping an answer.**")


# --- the provider ----------------------------------------------------------------------------------------------
def stream(prompt: str, *, max_tokens: int = 1000, **options: Any) -> list[Any]:
    return list(DemoProvider(**options).stream([Message("user", prompt)], max_tokens=max_tokens))


def test_it_ends_with_its_name_and_its_usage() -> None:
    *_, finish = stream("How do I run it?", pause=0)

    assert isinstance(finish, Finish)
    assert (finish.reason, finish.model) == ("stop", MODEL)
    assert finish.usage is not None
    assert finish.usage["input_tokens"] == 5


def test_it_keeps_to_the_token_limit() -> None:
    *deltas, finish = stream("How do I run it?", max_tokens=3, pause=0)

    assert deltas == [Text("**Running "), Text("it.** "), Text("`make ")]
    assert finish.reason == "length"


def test_it_begins_without_a_pause_and_cites_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    deltas = DemoProvider(pause=0.5).stream([Message("user", "How do I run it?")], max_tokens=1000)

    first = next(deltas)
    paused_before = list(pauses)
    rest = list(deltas)

    assert isinstance(first, Text)
    assert paused_before == []
    assert len(pauses) == 1 + sum(isinstance(delta, Text) for delta in rest)
    assert isinstance(rest[-2], Citation)


def test_a_long_document_is_typed_in_larger_pieces() -> None:
    document = "word " * 20_000
    messages = [Message("user", f"The document, as data:\n```\n{document}\n```"), Message("user", "uppercase")]

    deltas = list(DemoProvider(pause=0).stream(messages, max_tokens=100_000))

    assert len(deltas) < 500
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)).count("WORD") == 20_000
