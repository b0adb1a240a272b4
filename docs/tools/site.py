"""What the site needs beyond its pages, as hooks of MkDocs: the rest of each folder in the navigation, and Mermaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parents[1]
MERMAID = DOCS / "node_modules/mermaid/dist/mermaid.min.js"
ASSET = "assets/mermaid.js"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """`folder/*` in the navigation becomes the pages of that folder that it does not name elsewhere."""
    assert config.nav is not None
    config.nav = _expanded(config.nav, set(_named(config.nav)))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Diagrams are drawn by a file of this site, so a reader's browser asks nobody else."""
    if not MERMAID.is_file():
        raise PluginError("mermaid is not installed: npm ci --prefix docs")
    files.append(File.generated(config, ASSET, abs_src_path=str(MERMAID)))
    return files


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [name for part in parts for name in _named(part)]


def _expanded(nav: Any, named: set[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(part, named) for title, part in nav.items()}
    if not isinstance(nav, list):
        return nav
    parts: list[Any] = []
    for part in nav:
        if isinstance(part, str) and part.endswith("/*"):
            pages = sorted(page.relative_to(DOCS).as_posix() for page in (DOCS / part[:-2]).glob("*.md"))
            parts += [page for page in pages if page not in named]
        else:
            parts.append(_expanded(part, named))
    return parts
