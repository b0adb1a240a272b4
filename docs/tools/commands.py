"""docs/reference/command-line.md, from the commands themselves."""

from __future__ import annotations

import inspect

import click

from assistant.cli import commands


def page(note: str) -> str:
    lines = ["# Command line", "", note, ""]
    lines += [
        "`flask --app wsgi assistant COMMAND`, in the server's folder and with its settings. `--help` says the same.",
        "",
    ]
    for name, command in sorted(commands.commands.items()):
        lines += [
            f"## {name}",
            "",
            "```text",
            _usage(name, command),
            "```",
            "",
            *inspect.cleandoc(command.help or "").split("\n"),
            "",
        ]
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        if options:
            lines += ["| option | default | what |", "|---|---|---|"]
            lines += [f"| {_names(one)} | {_default(one)} | {one.help or ''} |" for one in options]
            lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def _usage(name: str, command: click.Command) -> str:
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    options = ["[OPTIONS]"] if any(isinstance(one, click.Option) for one in command.params) else []
    return " ".join(["flask assistant", name, *options, *arguments])


def _names(option: click.Option) -> str:
    taken = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    return ", ".join(f"`{one}{taken}`" for one in option.opts)


def _default(option: click.Option) -> str:
    value = option.default
    if option.required:
        return "needed"
    if option.is_flag:
        return "on" if value is True else "off"  # a flag without a default has a mark of click's own
    return f"`{value}`" if isinstance(value, (str, int, float)) and value != "" else "none"
