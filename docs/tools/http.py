"""docs/reference/routes.md, from the contract beside it."""

from __future__ import annotations

import re
from typing import Any

from . import schemas

# What the table of a schema would not say better than its own page.
_ELSEWHERE = {
    "Event": "[Events](events.md)",
    "CompleteData": "[complete](events.md)",
    "ErrorData": "[error](events.md)",
}
_PLACES = {"path": "in the path", "query": "in the query", "header": "a header"}


def page(contract: dict[str, Any], note: str) -> str:
    lines = [
        "# HTTP",
        "",
        note,
        "",
        "Under `ASSISTANT_URL_PREFIX`, `/assistant` by default. `GET /assistant/openapi.json` is this page for machines, with a",
        "schema for each event. Every response names its process in `Assistant-Instance`.",
        "",
        "| route | what | answers | refusals |",
        "|---|---|---|---|",
    ]
    operations = [
        (f"{method.upper()} {path}", one) for path, item in contract["paths"].items() for method, one in item.items()
    ]
    for route, operation in operations:
        good, bad = _statuses(operation)
        lines.append(
            f"| [`{route}`](#{operation['operationId']}) | {operation['summary']} | {good} | {bad or 'none'} |"
        )
    lines += [
        "",
        "Refusals are `application/problem+json`: `type`, `title`, `status`, `detail`, `code`, `kind`, `retryable`, and where",
        "they apply `retry_after`, `scope`, `mode`, `limit`, `errors` (a list of `{loc, msg, type}`; input is never echoed).",
        "[Errors](errors.md) lists the codes.",
        "",
        "Health and [metrics](metrics.md) are at the root in the stand-alone server, and under the prefix as an extension.",
    ]
    for route, operation in operations:
        lines += _operation(route, operation)
    lines += ["", "## Bodies", ""]
    for name in _used(contract, operations):
        schema = contract["components"]["schemas"][name]
        lines += [f"### {name} object", ""]
        if text := schema.get("description"):
            lines += [text.replace("<", "&lt;"), ""]
        if options := schema.get("anyOf") or schema.get("oneOf"):
            lines += ["One of " + ", ".join(schemas.kind(one) for one in options) + ".", ""]
        elif schema.get("properties"):
            lines += [*schemas.fields(schema), ""]
        elif schema.get("enum"):
            lines += [schemas.kind(schema) + ".", ""]
    text = "\n".join(lines).rstrip() + "\n"
    for name, elsewhere in _ELSEWHERE.items():
        text = text.replace(f"[{name}](#{name.lower()}-object)", elsewhere)
    return text


def _statuses(operation: dict[str, Any]) -> tuple[str, str]:
    answers = sorted(filter(str.isdigit, operation["responses"]))
    return ", ".join(one for one in answers if one < "400"), ", ".join(one for one in answers if one >= "400")


def _operation(route: str, operation: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"## {operation['operationId']}",
        "",
        f"`{route}`: {operation['summary'][0].lower()}{operation['summary'][1:]}.",
    ]
    if operation.get("security") == []:
        lines[-1] += " Needs no login."
    if parameters := operation.get("parameters"):
        lines += ["", "| parameter | where | what |", "|---|---|---|"]
        for one in parameters:
            told = "; ".join(filter(None, (schemas.kind(one["schema"]), schemas.meaning(one["schema"]).strip())))
            need = "" if one.get("required") else ", optional"
            lines.append(f"| `{one['name']}` | {_PLACES[one['in']]}{need} | {told} |")
    if body := operation.get("requestBody"):
        lines += ["", f"Body: {_content(body)}."]
    answers = []
    for status, response in sorted(operation["responses"].items()):
        if status.isdigit() and status < "400":
            answers.append(f"{status} {_content(response)}".strip())
    lines += ["", f"Answers {' or '.join(answers)}."]
    return lines


def _content(part: dict[str, Any]) -> str:
    shown = [f"{schemas.kind(one['schema'])} as `{media}`" for media, one in part.get("content", {}).items()]
    return " or ".join(shown)


def _used(contract: dict[str, Any], operations: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The schemas that the operations lead to, but those of events."""
    found: list[str] = []
    left = [name for _, operation in operations for name in _names(operation)]
    while left:
        name = left.pop(0)
        if name not in found and name not in _ELSEWHERE:
            found.append(name)
            left += _names(contract["components"]["schemas"][name])
    return found


def _names(part: Any) -> list[str]:
    return re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(part))
