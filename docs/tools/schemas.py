"""JSON Schema, as a reader of a table wants it: a type in a few words, and the fields of an object as rows."""

from __future__ import annotations

from typing import Any

_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "`{}`",
}


def fields(schema: dict[str, Any]) -> list[str]:
    """A Markdown table of an object's fields."""
    needed = schema.get("required", [])
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema.get("properties", {}).items():
        shown = f"`{name}`" if name in needed else f"`{name}` (optional)"
        lines.append(f"| {shown} | {kind(field)} | {meaning(field)} |")
    return lines


def kind(schema: dict[str, Any]) -> str:
    """What a value may be: `string`, `list of Turn`, `"a"` or `"b"`, and so on."""
    if ref := schema.get("$ref"):
        return f"[{ref.rpartition('/')[2]}](#{ref.rpartition('/')[2].lower()}-object)"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(kind(one) for one in options))
    if "const" in schema:
        return f"`{_json(schema['const'])}`"
    if values := schema.get("enum"):
        return " or ".join(f"`{_json(one)}`" for one in values)
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


def meaning(schema: dict[str, Any]) -> str:
    """The description and the bounds, also those of the one type that is not null."""
    told = [str(schema.get("description", "")).replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")]
    for one in (schema, *schema.get("anyOf", ())):
        told += [form.format(one[name]) for name, form in _BOUNDS.items() if name in one]
    return "; ".join(filter(None, told)) or " "


def _json(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
