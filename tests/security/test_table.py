"""docs/production/security.md is true: every requirement names a test that exists, and no item of a list is left out."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.system.server import ROOT

PAGE = (ROOT / "docs/production/security.md").read_text("utf-8")
ROWS = [line for line in PAGE.split("\n") if re.match(r"\| .*`tests/", line)]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a file's tests, those of its classes too."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_requirement_has_its_test() -> None:
    for row in ROWS:
        (named,) = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", row)
        path, name = named
        assert name.startswith("test_")
        assert name in names_in(path), row


def test_no_item_of_a_list_is_left_out() -> None:
    for section, items in {
        "OWASP API": [f"API{n}" for n in range(1, 11)],
        "OWASP Top 10": [f"LLM{n:02}" for n in range(1, 11)],
    }.items():
        rows = PAGE.partition(f"## {section}")[2].partition("\n## ")[0]
        assert list(dict.fromkeys(re.findall(r"^\| ((?:API|LLM)\d+)\b", rows, re.M))) == items


def test_no_row_of_these_tables_is_without_a_test() -> None:
    sections = PAGE.partition("## JSON Web Tokens")[2]
    rows = [
        line
        for line in sections.split("\n")
        if line.startswith("| ") and not line.startswith(("| requirement", "| item"))
    ]

    assert [row for row in rows if row not in ROWS] == []
    assert len(rows) > 40
