"""The documentation as a site: it builds without a warning, its diagrams are drawn, and it asks no other server."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.tools.site import MERMAID
from tests.tools import missing, program
from tests.unit.told import ROOT

pytestmark = pytest.mark.system

# What a page must not load: a script, a style, a font or an image from elsewhere. Links for people are no loads.
_LOADS = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(https?:)?//|<link\b[^>]*\bhref=["']?(https?:)?//"""
)
_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.M | re.S)
# Draws each diagram; what it has to say stands in the document when Chromium prints it.
_CANVAS = """<!doctype html><meta charset="utf-8"><script src="{mermaid}"></script><pre id="told"></pre><script>
(async () => {{
  mermaid.initialize({{ startOnLoad: false }});
  const told = [];
  for (const [name, text] of {diagrams}) {{
    try {{
      const {{ svg }} = await mermaid.render('d' + told.length, text);
      told.push([name, svg.startsWith('<svg') ? '' : 'no picture']);
    }} catch (problem) {{
      told.push([name, String(problem.message || problem)]);
    }}
  }}
  document.getElementById('told').textContent = JSON.stringify(told);
}})();
</script>"""


@pytest.fixture(scope="module")
def mermaid() -> Path:
    return MERMAID if MERMAID.is_file() else missing("mermaid is not installed: npm ci --prefix docs")


@pytest.fixture(scope="module")
def site(mermaid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_of_the_docs_is_on_the_site(site: Path) -> None:
    hidden = {"tools", "node_modules"}
    pages = {page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")}
    pages = {page for page in pages if not hidden & set(page.parts)}

    for page in pages:
        name = "index.html" if page.name == "README.md" else page.with_suffix(".html").name
        assert (site / page.parent / name).is_file(), page


def test_the_navigation_leads_to_pages_only(site: Path) -> None:
    home = (site / "index.html").read_text()

    assert not re.search(r"\bNone\s*</span>", home)
    for link in re.findall(r'<a href="([^"#:]+\.html)" class="md-nav__link"', home):
        assert (site / link).is_file(), link


def test_a_reader_asks_no_other_server(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = _LOADS.search(page.read_text())
        assert found is None, f"{page.name}: {found}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?https?:|@import\s+[\"']?https?:", style.read_text()), style.name
    # the theme brings its own copy from a server only where there is no `mermaid` yet
    assert '<script src="assets/mermaid.js"></script>' in (site / "index.html").read_text()
    assert (site / "assets/mermaid.js").stat().st_size > 1_000_000


def test_every_diagram_is_drawn(mermaid: Path, tmp_path: Path) -> None:
    diagrams = [
        (f"{page.relative_to(ROOT)}: {text.split()[0]}", text)
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if "node_modules" not in page.parts
        for text in _DIAGRAM.findall(page.read_text("utf-8"))
    ]
    canvas = tmp_path / "canvas.html"
    canvas.write_text(_CANVAS.format(mermaid=mermaid.as_uri(), diagrams=json.dumps(diagrams).replace("</", "<\\/")))

    told = json.loads(html.unescape(_printed(canvas, tmp_path / "profile")))

    assert [name for name, _ in told] == [name for name, _ in diagrams]
    assert [one for one in told if one[1]] == []


def test_what_the_docs_promise_to_draw_is_there() -> None:
    drawn = {page.stem for page in (ROOT / "docs/concepts").glob("*.md") if _DIAGRAM.search(page.read_text("utf-8"))}

    assert drawn >= {"request-life", "log-and-cursors", "reconnecting", "stopping", "actions", "takeover", "draining"}


def _printed(page: Path, profile: Path) -> str:
    """What the page says once its scripts have run."""
    chromium = os.environ.get("CHROMIUM") or program("chromium")
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=60000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
    return str(told)
