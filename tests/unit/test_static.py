"""The compiled window is the one that frontend/ says, without Node: `npm run build:static` makes it anew."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from assistant.web.assets import STATIC, assets

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"
# The same list as in frontend/scripts/static.mjs.
SOURCES = (
    "package-lock.json",
    "scripts/lexer-only.ts",
    "scripts/static.mjs",
    "src",
    "vite.devtools.config.ts",
    "vite.element.config.ts",
)
# Most that the window and its devtools may weigh on the wire; bytes (design, frontend).
BUDGETS = {"assistant-chat.js": 45_000, "assistant-devtools.js": 20_000}

MANIFEST: dict[str, Any] = json.loads((STATIC / "manifest.json").read_text("utf-8"))


def digest_of_sources() -> str:
    paths = [path for name in SOURCES for path in [FRONTEND / name, *(FRONTEND / name).rglob("*")] if path.is_file()]
    named = sorted((path.relative_to(FRONTEND).as_posix(), path) for path in paths)
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n" for name, path in named)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_files_were_built_from_these_sources() -> None:
    assert MANIFEST["sources"] == digest_of_sources(), (
        "stale: run `make static` (or `npm run build:static` in frontend/)"
    )


def test_the_folder_holds_what_the_manifest_names_and_nothing_else() -> None:
    files = {told["file"] for told in MANIFEST["files"].values()}

    assert {path.name for path in STATIC.iterdir()} == {"manifest.json", *files, *(f"{name}.gz" for name in files)}


@pytest.mark.parametrize("name", MANIFEST["files"])
def test_a_file_is_named_and_vouched_for_by_its_bytes(name: str) -> None:
    file, integrity = MANIFEST["files"][name]["file"], MANIFEST["files"][name]["integrity"]
    content = (STATIC / file).read_bytes()

    assert hashlib.sha256(content).hexdigest()[:12] == file.rsplit(".", 2)[1]
    assert integrity == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    assert gzip.decompress((STATIC / f"{file}.gz").read_bytes()) == content


@pytest.mark.parametrize(("name", "most"), BUDGETS.items())
def test_a_file_keeps_its_weight(name: str, most: int) -> None:
    assert len(assets()[name].gzipped) <= most


def test_nothing_of_a_machine_is_in_the_files() -> None:
    for one in assets().values():
        text = one.content.decode()
        assert "sourceMappingURL" not in text
        assert str(ROOT) not in text
