"""A team's own app with a login, CSRF protection and a strict policy, and the window in one of its templates.

Served by `tests.browser.embedding:app` under gunicorn; it knows nothing of tokens.
"""

from gevent import monkey

monkey.patch_all()

from collections import defaultdict  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

from flask import Flask, Response, redirect, render_template_string, request  # noqa: E402
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user  # noqa: E402
from flask_wtf import CSRFProtect  # noqa: E402

from assistant import Assistant, chunk  # noqa: E402
from assistant.events import Event  # noqa: E402
from assistant.signals import processing_finished  # noqa: E402
from tests.browser.words import words  # noqa: E402

POLICY = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"

app = Flask("desk")
app.config.update(SECRET_KEY="the-desk-keeps-its-sessions-safe-too", ASSISTANT_URL_PREFIX="/desk/helper")
logins = LoginManager(app)
assistant = Assistant(app, identify=lambda: current_user.get_id())  # noqa: PLW0108 - another user in each request
CSRFProtect(app)  # after the assistant: so it guards the assistant's routes as well


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@logins.user_loader
def load(name: str) -> User:
    return User(name)


EARLIER = [("user", "An earlier question"), ("assistant", "An **earlier** answer </script>")]
# What the team stores of each user's conversation, as it would in a database.
stored: defaultdict[str, list[tuple[str, str]]] = defaultdict(lambda: list(EARLIER))


@processing_finished.connect_via(app)
def keep(sender: Flask, *, ctx: Any, result: Any, **_: Any) -> None:
    stored[ctx.user_id] += [("user", ctx.prompt), ("assistant", result.get("text", ""))]


@assistant.handler("chat")
def chat(run: Any) -> Iterator[Event]:
    yield chunk(f"{run.user_id} said: {run.request.prompt}. ")
    for word in words(40):
        yield chunk(word)


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Desk</title>
<meta name="viewport" content="width=device-width"><meta name="csrf-token" content="{{ csrf_token() }}"></head><body>
{% from "assistant/_chat.html" import assistant_chat %}
<h1>Desk of {{ current_user.get_id() or "nobody" }}</h1>
{{ assistant_chat(messages=rows, label="Helper", track_id="desk-1", id="helper") }}
</body></html>"""
LOGIN = """<!doctype html><title>Log in</title><form method="post">
<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
<input name="name" aria-label="Name"><button>Log in</button></form>"""


@app.get("/")
def page() -> str:
    return render_template_string(PAGE, rows=stored[current_user.get_id() or ""])


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    if request.method == "GET":
        return render_template_string(LOGIN)
    login_user(User(request.form["name"]))
    return redirect("/")


@app.get("/logout")
@login_required
def logout() -> Any:
    logout_user()
    return redirect("/")


@app.get("/readyz")
def readyz() -> str:
    return "ready"


@app.after_request
def guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response
