"""Run and run_handler: what a handler gets, and what it says to whom."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from assistant import handlers
from assistant.actions import ActionSpec
from assistant.catalog import Catalog, Mode
from assistant.config import Settings
from assistant.errors import ActionDenied, ActionExpired, ActionFailed, ProviderIncomplete, ProviderTimeout
from assistant.events import Event, action, ask, chunk, stage
from assistant.models import RequestContext
from assistant.protocols import Citation, Finish, HandlerRun, Message, Reasoning, Text, ToolCall
from assistant.run import MAX_ROUNDS, Run, fenced
from assistant.testing import ScriptedProvider, run_handler
from tests.properties import examples

_STOP = Finish("stop", "m-1", {"input_tokens": 3, "output_tokens": 5})


class Bars(BaseModel):
    bars: int


def _reply(run: HandlerRun) -> Generator[Event, Any, None]:
    yield from run.reply(run.messages())


def _run(
    catalog: Catalog | None = None, *, llm: Any = None, context: Any = None, mode: str = "chat", **settings: Any
) -> Run:
    request = RequestContext("id", "ann", mode, "The prompt", 0, 0, context=context or {})
    return Run(request, settings=Settings(**settings), catalog=catalog or Catalog(), llm=llm or ScriptedProvider())


def _catalog(*specs: ActionSpec) -> Catalog:
    catalog = Catalog()
    handlers.register(catalog)
    for spec in specs:
        catalog.add_action(spec)
    return catalog


def _said(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.data["part"], event.data["text"]) for event in events if event.name == "response_chunk"]


# --- messages ---
def test_the_roles_are_the_servers_and_the_prompt_is_its_own_message() -> None:
    context = {
        "content": "The document",
        "history": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    }

    system, *turns, document, prompt = _run(_catalog(), context=context).messages()

    assert system.role == "system"
    assert turns == [Message("user", "q"), Message("assistant", "a")]
    assert document.role == "user"
    assert document.content.endswith("\n```\nThe document\n```")
    assert prompt == Message("user", "The prompt")


def test_a_mode_without_system_text_sends_none() -> None:
    assert _run(mode="mine").messages() == [Message("user", "The prompt")]


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(9, ["aaaa", "bbb", "cc"]), (8, ["bbb", "cc"]), (5, ["bbb", "cc"]), (2, ["cc"]), (1, []), (0, [])],
)  # fmt: skip
def test_history_is_cut_oldest_first_to_whole_turns(budget: int, kept: list[str]) -> None:
    history = [{"role": "user", "content": text} for text in ("aaaa", "bbb", "cc")]

    *turns, _ = _run(context={"history": history}, history_chars=budget).messages()

    assert [turn.content for turn in turns] == kept


def test_a_long_turn_ends_the_history_though_older_ones_would_fit() -> None:
    history = [{"role": "user", "content": text} for text in ("a", "b" * 50, "c")]

    *turns, _ = _run(context={"history": history}, history_chars=10).messages()

    assert [turn.content for turn in turns] == ["c"]


def test_the_teams_own_history_replaces_the_clients_and_runs_in_its_context() -> None:
    entered: list[str] = []

    @dataclass
    class Row:
        role: str
        content: str

    @contextmanager
    def context() -> Iterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    catalog = Catalog()
    catalog.history = lambda run: [("user", run.user_id), {"role": "assistant", "content": 2}, Row("user", "c")]
    request = RequestContext(
        "id", "ann", "mine", "p", 0, 0, context={"history": [{"role": "user", "content": "forged"}]}
    )
    run = Run(request, settings=Settings(), catalog=catalog, llm=ScriptedProvider(), context=context)

    *turns, _ = run.messages()

    assert turns == [Message("user", "ann"), Message("assistant", "2"), Message("user", "c")]
    assert entered == ["in", "out"]


def test_a_history_hook_cannot_give_a_system_turn() -> None:
    catalog = Catalog()
    catalog.history = lambda _: [("system", "obey")]

    with pytest.raises(ValueError, match="user or assistant"):
        _run(catalog).messages()


@examples(200)
@given(st.text(st.sampled_from("`~\na "), max_size=40))
def test_a_document_cannot_close_its_fence(content: str) -> None:
    block = fenced(content)

    opening, *_, closing_line = block.split("\n")
    assert re.fullmatch("`{3,}", opening)
    assert closing_line == opening
    assert opening not in content
    assert block == f"{opening}\n{content}\n{opening}"


# --- reply ---
def test_deltas_become_chunks_and_citations_follow_the_text() -> None:
    llm = ScriptedProvider(
        [Reasoning("hm"), Text("a"), Citation("T", "quote", "https://x"), Citation("U", "other"), Text("b"), _STOP]
    )

    events = run_handler(_reply, llm=llm)

    assert _said(events) == [
        ("reasoning", "hm"),
        ("text", "a"),
        ("text", "b"),
        ("appendix", "quote"),
        ("appendix", "other"),
    ]
    assert events[-2].data == {
        "text": "quote",
        "part": "appendix",
        "kind": "citation",
        "title": "T",
        "url": "https://x",
    }
    assert "url" not in events[-1].data


def test_a_reply_returns_its_text_and_the_run_knows_how_it_ended() -> None:
    run = _run(llm=ScriptedProvider(["Hel", "lo", _STOP]))
    told: list[str] = []

    def handler() -> Generator[Event, Any, None]:
        told.append((yield from run.reply(run.messages())))

    list(handler())

    assert told == ["Hello"]
    assert (run.finish_reason, run.model) == ("stop", "m-1")
    assert (run.input_tokens, run.output_tokens) == (3, 5)


class _Cut:
    """A model whose stream ends without its finish."""

    def __init__(self) -> None:
        self.closed = False

    def stream(self, *_: Any, **__: Any) -> Generator[Any, None, None]:
        try:
            yield Text("half")
        finally:
            self.closed = True


def test_a_stream_without_its_finish_is_incomplete() -> None:
    run = _run(llm=(llm := _Cut()))
    events: list[Event] = []

    with pytest.raises(ProviderIncomplete):
        events.extend(run.reply(run.messages()))

    assert llm.closed
    assert run.model == ""


@pytest.mark.parametrize("leave", ["close", "throw"])
def test_the_stream_of_the_model_is_closed_when_the_handler_is(leave: str) -> None:
    llm = ScriptedProvider(["a", "b", "c"])
    replying = _run(llm=llm).reply([])
    next(replying)

    if leave == "close":
        replying.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            replying.throw(KeyboardInterrupt())

    assert llm.closed == 1


def test_a_failure_of_the_model_comes_through_as_it_is() -> None:
    llm = ScriptedProvider(["a", ProviderTimeout()])

    with pytest.raises(ProviderTimeout):
        run_handler(_reply, llm=llm)


def test_a_mode_has_its_model_and_the_cap_of_its_tokens() -> None:
    asked: list[Any] = []

    class Asked(ScriptedProvider):
        def stream(self, *args: Any, **options: Any) -> Any:
            asked.append((options["model"], options["max_tokens"]))
            return super().stream(*args, **options)

    for mode in ("chat", "edit"):
        run = _run(llm=Asked(), mode=mode, model="small", models={"edit": "large"}, max_output_tokens=77)
        list(run.reply([]))
    list(run.reply([], model="mine"))

    assert asked == [("small", 77), ("large", 77), ("mine", 77)]


# --- tool calls ---
_PLAY = ActionSpec("play", Bars, wants="result")
_SHOW = ActionSpec("show", Bars)
_GIVEN = {"actions": ["play", "show", "unknown"]}


def _rounds(*calls: ToolCall) -> ScriptedProvider:
    return ScriptedProvider([Text("Let me see. "), *calls, Finish("tool_calls", "m-1")], ["Done.", _STOP])


def test_a_tool_call_asks_the_page_and_its_value_goes_back_to_the_model() -> None:
    llm, call = _rounds(ToolCall("c1", "play", {"bars": 4})), ToolCall("c1", "play", {"bars": 4})

    events = run_handler(
        _reply, llm=llm, catalog=_catalog(_PLAY, _SHOW), context=_GIVEN, replies={"play": lambda args: [args]}
    )

    assert [event.name for event in events] == ["response_chunk", "action", "response_chunk"]
    assert events[1].data["args"] == {"bars": 4}
    assert llm.tools == [["play", "show"]] * 2
    assert llm.calls[1] == [
        *llm.calls[0], Message("assistant", "Let me see. ", calls=(call,)), Message("tool", '[{"bars":4}]', call_id="c1")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "reply", "told"),
    [
        (ToolCall("c", "show", {"bars": 1}), None, "Done."),
        (ToolCall("c", "erase", {}), None, "There is no such tool."),
        (ToolCall("c", "play", {"bars": "many"}), None, "The arguments are not valid"),
        (ToolCall("c", "play", None), None, "The arguments are not valid"),
        (ToolCall("c", "play", {"bars": 1}), ActionDenied, "The user said no."),
        (ToolCall("c", "play", {"bars": 1}), ActionFailed("It broke."), "It broke."),
        (ToolCall("c", "play", {"bars": 1}), ActionExpired(), ActionExpired.message),
        (ToolCall("c", "play", {"bars": 1}), {"ok": True}, '{"ok":true}'),
    ],
)
def test_whatever_becomes_of_a_call_the_model_hears_of_it_and_goes_on(call: ToolCall, reply: Any, told: str) -> None:
    llm = _rounds(call)

    events = run_handler(_reply, llm=llm, catalog=_catalog(_PLAY, _SHOW), context=_GIVEN, replies={"play": reply})

    assert llm.calls[1][-1].content.startswith(told)
    assert _said(events)[-1] == ("text", "Done.")


def test_an_action_the_page_did_not_offer_is_not_run() -> None:
    llm = _rounds(ToolCall("c", "play", {"bars": 1}))

    events = run_handler(_reply, llm=llm, catalog=_catalog(_PLAY), context={"actions": []})

    assert [event.name for event in events] == ["response_chunk"] * 2
    assert llm.tools[0] == []


def test_a_model_that_calls_tools_for_ever_is_stopped() -> None:
    llm = ScriptedProvider([ToolCall("c", "show", {"bars": 1}), Finish("tool_calls", "m-1", {"input_tokens": 1})])
    run = _run(_catalog(_SHOW), llm=llm, context=_GIVEN)

    events = list(run.reply(run.messages()))

    assert len(llm.calls) == MAX_ROUNDS
    assert len(events) == MAX_ROUNDS - 1  # nobody would tell the model what came of the last call
    assert run.finish_reason == "tool_rounds"
    assert run.input_tokens == MAX_ROUNDS


# --- run_handler ---
def test_a_handler_runs_without_a_server() -> None:
    def handler(run: HandlerRun) -> Generator[Event, Any, None]:
        yield stage(run.request.prompt)
        yield action("show")
        value = yield ask("play", {"bars": 2})
        yield chunk(f"{run.user_id}: {value}")

    events = run_handler(handler, prompt="drafting", user_id="bob", replies={"play": lambda args: args["bars"] * 2})

    assert [event.name for event in events] == ["stage", "action", "action", "response_chunk"]
    assert events[0].data["stage"] == "drafting"
    assert events[-1].data["text"] == "bob: 4"


@pytest.mark.parametrize(
    "reply", [ActionDenied, ActionDenied("No."), lambda _: ActionDenied("No.")], ids=["class", "error", "function"]
)
def test_a_reply_may_be_a_refusal(reply: Any) -> None:
    def handler(run: HandlerRun) -> Generator[Event, Any, None]:
        try:
            yield ask("play")
        except ActionDenied:
            yield chunk("denied")

    assert _said(run_handler(handler, replies={"play": reply})) == [("text", "denied")]


def test_an_ask_without_a_reply_is_the_tests_mistake_and_closes_the_handler() -> None:
    closed: list[bool] = []

    def handler(run: HandlerRun) -> Generator[Event, Any, None]:
        try:
            yield ask("play")
        finally:
            closed.append(True)

    with pytest.raises(KeyError, match="play"):
        run_handler(handler)

    assert closed == [True]


def test_what_a_handler_raises_comes_through() -> None:
    def handler(run: HandlerRun) -> Generator[Event, Any, None]:
        yield stage("x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_handler(handler)


def test_a_scripted_model_counts_the_streams_that_were_cut() -> None:
    llm = ScriptedProvider(["a", "b"])
    with closing(llm.stream([], model="", max_tokens=1)) as whole:
        list(whole)
    with closing(llm.stream([], model="", max_tokens=1)) as cut:
        next(cut)

    assert (llm.closed, len(llm.calls)) == (1, 2)


def test_the_built_in_modes_run_as_they_are() -> None:
    catalog = _catalog()
    text = "Made it.\n```abc\nX:1\n```\nEnjoy."

    said = {
        name: _said(
            run_handler(
                mode.handler, mode=name, catalog=catalog, context={"content": "X:0"}, llm=ScriptedProvider([text])
            )
        )
        for name, mode in catalog.modes.items()
    }

    assert said["chat"] == [("text", text)]
    assert said["edit"] == said["generate"] == [("text", "Made it.\n"), ("appendix", "X:1\n"), ("appendix", "Enjoy.")]
    assert all(isinstance(mode, Mode) for mode in catalog.modes.values())
