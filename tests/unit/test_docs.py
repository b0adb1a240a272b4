"""What a newcomer reads is true: samples run, names exist, links lead somewhere, generated pages are fresh."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import render_template_string

from assistant import gunicorn, providers
from assistant.config import PREFIX, Settings
from assistant.events import NAMES
from assistant.protocols import RequestRegistry
from assistant.testing import make_app
from tests.tools import program
from tests.unit.told import ROOT, broken_claims, execute

PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "node_modules" not in page.parts)]
)
# How long a server may take to listen, and a page's commands to run; seconds.
STARTED, DONE = 30.0, 60.0

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def samples(page: Path, language: str) -> list[str]:
    return [code for name, code in _FENCE.findall(page.read_text("utf-8")) if name == language]


@pytest.fixture(scope="module")
def generate() -> Any:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- every page ------------------------------------------------------------------------------------------------
@each_page
def test_a_page_names_only_what_exists(page: Path) -> None:
    assert broken_claims(page.read_text("utf-8")) == []


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        path, _, heading = link.partition("#")
        if path.startswith("https://"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        # the site holds docs/ alone: a page of it names other files, and does not link to them
        assert target.is_relative_to(ROOT / "docs") or not page.is_relative_to(ROOT / "docs"), link
        assert not heading or heading in headings(target), link


def test_every_folder_of_pages_is_in_the_navigation() -> None:
    folders = {str(page.parent.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    named = set(re.findall(r"^ +- ([\w/]+)/\*$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))

    assert folders - {"."} == named


@each_page
def test_python_samples_run(page: Path) -> None:
    execute(*samples(page, "python"))


@each_page
def test_json_samples_are_json(page: Path) -> None:
    for sample in samples(page, "json"):
        json.loads(sample)


@each_page
def test_a_page_holds_no_sample_that_no_test_reads(page: Path) -> None:
    """Python, shell, JSON and JavaScript run; diagrams are drawn; proxies' files go to the proxies (tests/deploy)."""
    read = {"python", "sh", "json", "js", "jinja", "mermaid", "text", "nginx"}
    read |= {"proxies.md": {"haproxy", "caddy", "yaml"}, "monitoring.md": {"yaml"}}.get(page.name, set())
    if page.parent.name == "frontend" or page.name == "typescript.md":  # frontend/test/docs runs those
        read |= {"ts", "tsx", "html", "css", "jinja"}

    assert {language for language, _ in _FENCE.findall(page.read_text("utf-8"))} <= read


@each_page
def test_shell_samples_are_shell(page: Path) -> None:
    for code in samples(page, "sh"):
        assert subprocess.run(["bash", "-n", "-c", code], check=False, capture_output=True).stderr == b""


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in found}


# --- pages that follow from the code ---------------------------------------------------------------------------
def test_generated_pages_are_fresh(generate: Any) -> None:
    assert generate.stale() == [], "run python docs/generate.py"


def test_the_example_config_holds_every_setting_at_its_default() -> None:
    text = (ROOT / "instance/config.example.py").read_text("utf-8")
    given: dict[str, Any] = {}

    exec(re.sub(r"^# (?=ASSISTANT_\w+ = )", "", text, flags=re.M), given)

    assert {PREFIX + spec.name.upper() for spec in fields(Settings)} == {n for n in given if n.startswith(PREFIX)}
    assert Settings.load(given, {}) == Settings()


def test_the_example_config_changes_nothing_as_it_is() -> None:
    tree = ast.parse((ROOT / "instance/config.example.py").read_text("utf-8"))

    assert [type(node) for node in tree.body] == [ast.Expr]


def test_the_signals_page_lists_all_signals() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/developing/architecture.md").read_text("utf-8"), re.M))
    signals = (ROOT / "assistant/signals.py").read_text("utf-8")

    assert set(re.findall(r"^(\w+) = _signals", signals, re.M)) <= told


def test_the_events_page_lists_all_events() -> None:
    page = (ROOT / "docs/reference/events.md").read_text("utf-8")

    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(NAMES)


def test_the_events_page_names_every_field() -> None:
    page = (ROOT / "docs/reference/events.md").read_text("utf-8")
    schemas = json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))["components"]["schemas"]

    for name in NAMES:
        data = schemas["".join(part.title() for part in name.split("_")) + "Data"]
        for field in data["properties"]:
            assert f"`{field}`" in page, f"{name}: {field}"


def test_decisions_name_things_that_exist() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))
    index = (ROOT / "docs/decisions/README.md").read_text("utf-8")

    for page in pages:
        assert page.name in index
        for name in re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8").rstrip().split("\n\n")[-1]):
            assert (ROOT / "assistant" / name).is_file(), name
    assert "user_id" in RequestRegistry.get.__annotations__


@pytest.mark.system
@pytest.mark.parametrize("provider", ["OpenAI", "Anthropic", "Anything that speaks OpenAI's protocol"])
@pytest.mark.parametrize("page", ["README.md", "docs/guides/models.md"])
def test_two_lines_set_a_real_model(page: str, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    code = _FENCE.search(ROOT.joinpath(page).read_text("utf-8").partition(f"\n{provider}")[2])
    assert code is not None
    lines = code[2].strip().split("\n")

    model = providers.build(Settings.load({}, dict(re.findall(r"(\w+)=(\S+)", code[2]))))

    assert len(lines) == 2
    assert type(model).__module__.endswith("anthropic" if provider == "Anthropic" else "openai")


@pytest.mark.parametrize("page", [page for page in PAGES if samples(page, "jinja")], ids=lambda page: page.name)
def test_jinja_samples_render_a_window(page: Path) -> None:
    app = make_app()
    rows = [("user", "Hello"), ("assistant", "Hello back")]

    with app.test_request_context():
        rendered = [render_template_string(code, rows=rows) for code in samples(page, "jinja")]

    assert all("<assistant-chat " in one and "Hello back" in one for one in rendered)


# --- the greeting ----------------------------------------------------------------------------------------------
def greet(monkeypatch: pytest.MonkeyPatch, address: Any, **settings: Any) -> None:
    app = SimpleNamespace(config={"ASSISTANT_STANDALONE": True})
    web = SimpleNamespace(settings=Settings(**settings), sender=app)
    monkeypatch.setattr(gunicorn, "_installed", lambda: [web])
    gunicorn._greet(address)


def test_the_greeting_fits_the_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ASSISTANT_GREETING", "1")

    greet(monkeypatch, ("0.0.0.0", 9000), url_prefix="/ai", provider="openai")

    greeting = capsys.readouterr().out
    assert greeting.startswith("\nOpen http://127.0.0.1:9000/ in a browser.\n")
    assert "listening at http://127.0.0.1:9000/ai\n" in greeting
    assert "TOKEN=$(.venv/bin/flask --app wsgi assistant token me)" in greeting
    assert "demo" not in greeting
    assert broken_claims(greeting) == []


@pytest.mark.parametrize(("wanted", "address"), [("", ("127.0.0.1", 8000)), ("1", "/run/assistant.sock")])
def test_nobody_is_greeted_who_is_not_looking(
    wanted: str, address: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_GREETING", wanted)

    greet(monkeypatch, address)

    assert capsys.readouterr().out == ""


# --- a newcomer's commands -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The stand-alone server as `make run` starts it: its address and the file with what it printed."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    told = {"ASSISTANT_GREETING": "1", "ASSISTANT_GUESTS": "1", "PORT": str(port), "PYTHONPATH": str(ROOT)}
    printed = home / "printed"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:assistant.gunicorn", "wsgi:app"]
    with printed.open("wb") as out:
        process = subprocess.Popen(command, cwd=home, env=clean | told, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "3. its stream" in printed.read_text(), process)
        yield f"http://127.0.0.1:{port}", printed
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DONE)


def wait_for(ready: Any, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + STARTED
    while not ready():
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < ends, "the server did not start in time"
        time.sleep(0.05)


def run(script: str, cwd: Path) -> str:
    """What the commands print; every one must succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=DONE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.system
@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_the_curl_lines_of_a_page_work(page: str, server: tuple[str, Path], tmp_path: Path) -> None:
    base, _ = server
    lines = [code for code in samples(ROOT / page, "sh") if "curl" in code]

    printed = run("\n".join(lines).replace("http://127.0.0.1:8000", base), tmp_path)

    assert printed.startswith('retry: 2000\nid: 1-1\nevent: status\ndata: {"state":"accepted"')
    assert "event: complete" in printed


@pytest.mark.system
def test_the_readme_shows_what_the_server_says(server: tuple[str, Path], tmp_path: Path) -> None:
    base, _ = server
    (lines,) = (code for code in samples(ROOT / "README.md", "sh") if "curl" in code)
    (shown,) = (block for block in samples(ROOT / "README.md", "text") if block.startswith("retry:"))

    printed = run(lines.replace("http://127.0.0.1:8000", base), tmp_path)

    begun, _, _ = timeless(shown).partition("\n...")
    assert timeless(printed).startswith(begun)
    (last,) = re.findall(r"id: (\S+)\nevent: complete", printed)
    assert f"id: {last}\nevent: complete" in shown


@pytest.mark.system
def test_the_page_of_the_two_steps_reads_an_answer(server: tuple[str, Path], tmp_path: Path) -> None:
    base, _ = server
    (sample,) = samples(ROOT / "docs/guides/from-a-streaming-post.md", "js")
    script = tmp_path / "page.mjs"
    script.write_text(
        sample
        + """
        const base = process.argv[2], shown = [];
        const { access_token } = await (await fetch(`${base}/session`, { method: 'POST' })).json();
        const end = await ask(base, access_token, 'What is this server?', (text) => shown.push(text));
        console.log(JSON.stringify([shown.join(''), end.text]));
        """
    )

    shown, whole = json.loads(run(f"{program('node', 'nodejs')} {script} {base}/assistant", tmp_path))

    assert shown == whole != ""


@pytest.mark.system
def test_the_greetings_commands_work(server: tuple[str, Path], tmp_path: Path) -> None:
    _, printed = server
    greeting = printed.read_text().partition("Assistant is listening")[2].partition("\n\nThe built-in demo")[0]
    lines = [line for line in greeting.split("\n")[1:] if not re.match(r"\d\.", line)]

    streamed = run("\n".join(lines), tmp_path)

    assert "**What " in streamed
    assert "event: complete" in streamed


def timeless(text: str) -> str:
    return re.sub(r'"ts":\d+', '"ts":0', text)
