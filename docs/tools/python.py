"""docs/reference/python.md, from the docstrings of what a team imports."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import assistant
from assistant import errors, models, protocols, run, signals, testing
from assistant.testing import contract

_CONSTRUCTORS = ("stage", "status", "chunk", "action", "ask")


def page(note: str) -> str:
    lines = ["# Python", "", note, "", "What an application imports. Everything else may change without notice.", ""]
    lines += ["## Building an app", "", *_callable("assistant.create_app", assistant.create_app)]
    lines += _class("assistant.Assistant", assistant.Assistant, ["handler", "action", "system", "history", "init_app"])
    lines += ["## Events a handler yields", ""]
    for name in _CONSTRUCTORS:
        lines += _callable(f"assistant.{name}", getattr(assistant, name))
    lines += ["## What a handler gets", ""]
    lines += _class("assistant.run.Run", run.Run, ["given", "messages", "reply", "note"], constructor=False)
    lines += _class("assistant.models.RequestContext", models.RequestContext, [])
    lines += [
        "## Failures",
        "",
        "[Errors](errors.md) lists the codes; a handler may raise any of `assistant.errors`.",
        "",
    ]
    for error in (errors.AssistantError, errors.ActionDenied, errors.ActionFailed, errors.ActionExpired):
        lines += _class(f"assistant.{error.__name__}", error, [], constructor=error is errors.AssistantError)
    lines += ["## Signals", "", *_text(signals), "", "| `assistant.signals` | brings |", "|---|---|"]
    lines += [
        f"| `{name}` | {one.__doc__} |" for name, one in vars(signals).items() if isinstance(one, signals.NamedSignal)
    ]
    lines += ["", "## Model providers", ""]
    lines += _class("assistant.protocols.LLMProvider", protocols.LLMProvider, ["stream"], constructor=False)
    for kind in (
        protocols.Message,
        protocols.Text,
        protocols.Reasoning,
        protocols.ToolCall,
        protocols.Citation,
        protocols.Finish,
    ):
        lines += _class(f"assistant.protocols.{kind.__name__}", kind, [])
    lines += ["## Registries", ""]
    methods = [
        name for name, one in vars(protocols.RequestRegistry).items() if inspect.isfunction(one) and name[0] != "_"
    ]
    lines += _class("assistant.protocols.RequestRegistry", protocols.RequestRegistry, methods, constructor=False)
    for kind in (
        protocols.IdempotencyKey,
        protocols.Created,
        protocols.Batch,
        protocols.Snapshot,
        protocols.Overdue,
        protocols.Removed,
    ):
        lines += _class(f"assistant.protocols.{kind.__name__}", kind, [])
    lines += ["## Tests", "", *_text(testing), ""]
    for name in sorted(set(testing.__all__) - {"SECRET", "RegistryContract"}):
        lines += _any(f"assistant.testing.{name}", getattr(testing, name))
    lines += ["### assistant.testing.RegistryContract", "", *_text(contract)]
    return "\n".join(lines).rstrip() + "\n"


def _any(name: str, thing: Any) -> list[str]:
    return _class(name, thing, []) if inspect.isclass(thing) else _callable(name, thing)


def _class(name: str, kind: type, methods: list[str], *, constructor: bool = True) -> list[str]:
    lines = [f"### {name}", ""]
    if constructor:
        lines += ["```text", _signature(name.rpartition(".")[2], kind), "```", ""]
    lines += [*_text(kind), ""]
    for method in methods:
        one = inspect.getattr_static(kind, method)
        if isinstance(one, property):
            lines += [f"**`{method}`**", "", *_text(one), ""]
        else:
            lines += ["```text", _signature(f".{method}", getattr(kind, method)), "```", "", *_text(one), ""]
    return lines


def _callable(name: str, function: Any) -> list[str]:
    return [
        f"### {name}",
        "",
        "```text",
        _signature(name.rpartition(".")[2], function),
        "```",
        "",
        *_text(function),
        "",
    ]


def _signature(name: str, thing: Any) -> str:
    """`name(parameters) -> result`, on lines of its own where it is long."""
    signature = inspect.signature(thing)
    shown = [one for one in signature.parameters.values() if one.name != "self" and one.name[0] != "_"]
    parts, marked = [], False
    for one in shown:
        if one.kind is one.KEYWORD_ONLY and not marked:
            parts, marked = [*parts, "*"], True
        parts.append(str(one).replace(": 'Any'", "").replace("'", "") if one.default is one.empty else _default(one))
    result = signature.return_annotation
    end = "" if inspect.isclass(thing) or result is signature.empty else f" -> {_plain(result)}"
    line = f"{name}({', '.join(parts)}){end}"
    return line if len(line) <= 100 else f"{name}(\n    " + ",\n    ".join(parts) + f",\n){end}"


def _default(one: inspect.Parameter) -> str:
    name = one.name if one.annotation is one.empty else f"{one.name}: {_plain(one.annotation)}"
    shown = "..." if "factory" in repr(one.default) else repr(one.default)
    return f"{name} = {shown}"


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _text(thing: Any) -> list[str]:
    """The docstring; a dataclass without one of its own says nothing."""
    text = inspect.cleandoc(thing.__doc__ or "")
    return (
        []
        if dataclasses.is_dataclass(thing) and text.startswith(f"{getattr(thing, '__name__', '')}(")
        else text.split("\n")
    )
