"""What a browser is given: the page of the stand-alone server, the compiled files, and the window in a host's template."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask, render_template_string
from werkzeug.test import TestResponse

from assistant import Assistant
from assistant.config import Settings
from assistant.testing import SECRET, ScriptedProvider
from assistant.web.assets import assets
from tests.integration.conftest import Start
from tests.integration.server import Server, problem

MACRO = '{% from "assistant/_chat.html" import assistant_chat %}'


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open == "script" and data.strip():
            self.inside.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def get(server: Server, path: str, **options: Any) -> TestResponse:
    return server.client.get(path, **options)


# --- the page --------------------------------------------------------------------------------------------------
def test_the_page_holds_a_window_and_its_scripts(server: Server) -> None:
    response = get(server, "/")

    tags = Tags(response.text)
    assert (response.status_code, response.mimetype) == (200, "text/html")
    (chat,) = tags.of("assistant-chat")
    assert chat["base-url"] == "/assistant"
    assert [one["src"].rpartition("/")[2].partition(".")[0] for one in tags.of("script") if "src" in one] == [
        "page",
        "assistant-chat",
    ]
    assert tags.of("html")[0]["lang"] == "en"


def test_the_page_runs_under_a_strict_policy(server: Server) -> None:
    response = get(server, "/")

    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    assert not {"script-src", "style-src"} & policy.keys()
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("query", ["", "?assistant_debug=1"])
def test_nothing_in_the_page_is_inline_and_every_file_is_vouched_for(start: Start, query: str) -> None:
    server = start(ASSISTANT_GUESTS=True, ASSISTANT_DEVTOOLS=True)

    tags = Tags(get(server, f"/{query}").text)

    assert not tags.of("style")
    assert not [name for _, attributes in tags.tags for name in attributes if name == "style" or name.startswith("on")]
    assert [one.get("type") for one in tags.of("script") if "src" not in one] == ["application/json"]
    wanted = [(one["src"], one["integrity"]) for one in tags.of("script") if "src" in one]
    wanted += [(one["href"], one["integrity"]) for one in tags.of("link") if one["rel"] == "stylesheet"]
    for url, integrity in wanted:
        content = get(server, str(url)).data
        assert integrity == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


@pytest.mark.parametrize("allowed", [True, False])
def test_devtools_are_offered_where_the_server_allows_it(start: Start, allowed: bool) -> None:
    server = start(ASSISTANT_DEVTOOLS=allowed)

    (chat,) = Tags(get(server, "/").text).of("assistant-chat")

    assert ("devtools" in chat) is allowed
    if allowed:
        assert get(server, str(chat["devtools"])).mimetype == "text/javascript"


def test_a_server_without_guests_says_so(start: Start) -> None:
    assert "ASSISTANT_GUESTS=1" in get(start(), "/").text
    assert "ASSISTANT_GUESTS=1" not in get(start(ASSISTANT_GUESTS=True), "/").text


def test_the_page_follows_the_settings(start: Start) -> None:
    server = start(
        ASSISTANT_URL_PREFIX="/api/helper", ASSISTANT_DOCS_URL="https://docs.example/a?b=1&c=2", ASSISTANT_MODEL="m<1>"
    )

    page = get(server, "/").text

    (chat,) = Tags(page).of("assistant-chat")
    assert chat["base-url"] == "/api/helper"
    assert "https://docs.example/a?b=1&amp;c=2" in page
    assert get(server, next(str(one["src"]) for one in Tags(page).of("script") if "src" in one)).status_code == 200


def test_no_page_without_a_link_to_docs_has_a_dead_one(server: Server) -> None:
    links = [str(one["href"]) for one in Tags(get(server, "/").text).of("a")]

    assert links
    assert all(get(server, link).status_code == 200 for link in links if link.startswith("/"))
    assert "" not in links


def test_the_page_is_the_stand_alone_servers_alone() -> None:
    app = Flask("host")
    app.config["JWT_SECRET_KEY"] = SECRET
    Assistant(app, provider=ScriptedProvider())

    assert app.test_client().get("/").status_code == 404


def test_the_page_is_only_looked_at(server: Server) -> None:
    problem(server.client.post("/"), 405, "method_not_allowed")
    assert get(server, "/").headers["Assistant-Instance"]


# --- files -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", assets())
def test_a_file_is_sent_for_ever_and_gzipped_where_that_is_accepted(server: Server, name: str) -> None:
    url = f"/assistant/static/{assets()[name].file}"

    plain, zipped = get(server, url), get(server, url, headers={"Accept-Encoding": "br, gzip;q=0.5"})

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data == assets()[name].content
    for response in (plain, zipped):
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.mimetype in ("text/javascript", "text/css", "image/svg+xml")
        again = get(server, url, headers={"If-None-Match": response.headers["ETag"], **_accepting(response)})
        assert (again.status_code, again.data) == (304, b"")
    assert plain.headers["ETag"] != zipped.headers["ETag"]


def _accepting(response: TestResponse) -> dict[str, str]:
    return {"Accept-Encoding": "gzip"} if "Content-Encoding" in response.headers else {}


@pytest.mark.parametrize("refused", ["gzip;q=0", "br", "identity", "*;q=0"])
def test_who_does_not_accept_gzip_gets_none(server: Server, refused: str) -> None:
    url = f"/assistant/static/{assets()['page.js'].file}"

    assert "Content-Encoding" not in get(server, url, headers={"Accept-Encoding": refused}).headers


@pytest.mark.parametrize(
    "name", ["manifest.json", "page.js", "../app.py", "..%2fapp.py", "%2e%2e/app.py", "a" * 5000, "%00", "page.css.gz"]
)
def test_there_is_nothing_else_to_fetch(server: Server, name: str) -> None:
    problem(get(server, f"/assistant/static/{name}"), 404, "not_found")


def test_a_file_needs_no_login_and_counts_against_no_rate(start: Start) -> None:
    server = start(RATELIMIT_DEFAULT="1/minute")
    url = f"/assistant/static/{assets()['page.js'].file}"

    assert {get(server, url).status_code for _ in range(5)} == {200}


# --- the macro ---------------------------------------------------------------------------------------------------
@pytest.fixture
def host() -> Iterator[Flask]:
    """A host's own app with a page of its own."""
    app = Flask("host")
    app.config.update(JWT_SECRET_KEY=SECRET, ASSISTANT_URL_PREFIX="/helper")
    Assistant(app, provider=ScriptedProvider())
    yield app
    app.extensions["assistant"].janitor.close()


def rendered(app: Flask, call: str, path: str = "/", **context: Any) -> str:
    with app.test_request_context(path):
        return render_template_string(MACRO + "{{ " + call + " }}", **context)


def data_of(text: str) -> Any:
    (inside,) = Tags(text).inside
    return json.loads(inside)


@dataclass
class Row:
    role: str
    content: str


def test_rows_of_any_kind_become_earlier_turns(host: Flask) -> None:
    rows = [Row("user", "one"), {"role": "assistant", "content": "two", "id": 7}, ("user", "three")]

    assert data_of(rendered(host, "assistant_chat(messages=rows)", rows=rows)) == {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ]
    }
    assert data_of(rendered(host, "assistant_chat()")) == {"messages": []}
    assert data_of(rendered(host, "assistant_chat(messages=None)")) == {"messages": []}


def test_a_template_brings_prompts_to_begin_with(host: Flask) -> None:
    page = rendered(host, "assistant_chat(examples=[{'prompt': 'A chord', 'mode': 'chat'}])")

    assert data_of(page) == {"messages": [], "examples": [{"prompt": "A chord", "mode": "chat"}]}
    assert data_of(rendered(host, "assistant_chat(examples=[])"))["examples"] == []


def test_a_row_that_is_no_turn_is_refused(host: Flask) -> None:
    with pytest.raises(ValueError, match="system"):
        rendered(host, "assistant_chat(messages=rows)", rows=[Row("system", "x")])


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!-- <script>", "'\"&\u2028", "\ud83d\ude00"])
def test_no_text_of_a_turn_leaves_its_data_block(host: Flask, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    page = rendered(host, "assistant_chat(messages=[('user', text)])", text=text)

    assert data_of(page)["messages"][0]["content"] == text
    assert len(Tags(page).of("script")) == 2
    assert page.count("<script") == page.count("</script>") == 2


def test_arguments_become_attributes_and_stay_inside_them(host: Flask) -> None:
    call = (
        """assistant_chat(label='A "b" <c>', mode="edit", track_id="song-7", theme="dark", resume=False, id="helper")"""
    )

    (chat,) = Tags(rendered(host, call)).of("assistant-chat")

    assert chat == {
        "base-url": "/helper",
        "label": 'A "b" <c>',
        "mode": "edit",
        "track-id": "song-7",
        "theme": "dark",
        "resume": "false",
        "id": "helper",
    }
    choosing = "assistant_chat(modes=['chat', 'edit'], header=False, suggestions=False)"
    (chooser,) = Tags(rendered(host, choosing)).of("assistant-chat")
    assert chooser == {"base-url": "/helper", "modes": "chat edit", "header": "false", "suggestions": "false"}
    (bare,) = Tags(rendered(host, "assistant_chat()")).of("assistant-chat")
    assert bare == {"base-url": "/helper"}


def test_the_window_knows_where_the_app_is_mounted(host: Flask) -> None:
    with host.test_request_context("/", environ_overrides={"SCRIPT_NAME": "/shop"}):
        page = render_template_string(MACRO + "{{ assistant_chat() }}")

    (chat,) = Tags(page).of("assistant-chat")
    assert chat["base-url"] == "/shop/helper"
    assert Tags(page).of("script")[-1]["src"].startswith("/shop/helper/static/assistant-chat.")


def test_a_template_that_is_rendered_outside_a_request_works_too(host: Flask) -> None:
    with host.app_context():
        page = render_template_string(MACRO + "{{ assistant_chat() }}")

    assert 'base-url="/helper"' in page


def test_the_hosts_page_offers_the_devtools_where_the_setting_allows_it(host: Flask) -> None:
    host.extensions["assistant"].settings = Settings(url_prefix="/helper", devtools=True)

    (chat,) = Tags(rendered(host, "assistant_chat()")).of("assistant-chat")

    assert host.test_client().get(str(chat["devtools"])).status_code == 200


def test_what_the_macro_names_is_served(host: Flask) -> None:
    page = rendered(host, "assistant_chat()")

    for url in re.findall(r'src="([^"]+)"', page):
        assert host.test_client().get(html.unescape(url)).status_code == 200
