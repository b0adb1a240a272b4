"""The stand-alone server for the browser tests: what it answers is written in the prompt. Served by `tests.browser.app:app`."""

from gevent import monkey

monkey.patch_all()

import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from datetime import timedelta  # noqa: E402
from typing import Any  # noqa: E402

from flask import request  # noqa: E402
from flask_jwt_extended import create_access_token  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from assistant import ActionDenied, Assistant, ask, chunk, create_app, stage  # noqa: E402
from assistant.events import Event  # noqa: E402
from tests.browser.words import words  # noqa: E402

assistant = Assistant()


@assistant.action("publish", wants="approval")
class Publish(BaseModel):
    """Publishes the text, once the user agrees."""

    title: str


@assistant.action("set_theme", wants="result")
class SetTheme(BaseModel):
    """Paints the page."""

    theme: str


@assistant.handler("chat")
def chat(run: Any) -> Iterator[Event]:
    """`words 200 10`: 200 words, 10 ms apart. `hold`, `code`, `publish`, `paint dark`, `fail`; anything else is said back."""
    order, *rest = run.request.prompt.split()
    yield stage("thinking", "Thinking")
    if order == "words":
        for word in words(int(rest[0])):
            yield chunk(word)
            time.sleep(int(rest[1]) / 1000)
    elif order == "hold":
        yield chunk("Holding on.")
        time.sleep(3600)
    elif order == "code":
        yield chunk("Here is a function.")
        yield chunk("def f():\n    return 1\n", part="appendix", kind="code", title="f.py", language="python")
    elif order == "publish":
        try:
            yield ask("publish", {"title": "A song"})
        except ActionDenied:
            yield chunk("Not published.")
        else:
            yield chunk("Published.")
    elif order == "paint":
        value = yield ask("set_theme", {"theme": rest[0]})
        yield chunk(f"It is {value['theme']} now.")
    elif order == "fail":
        yield chunk("So far.")
        raise RuntimeError("a bug of the test")
    else:
        yield chunk(f"You said: {run.request.prompt}")


app = create_app(assistant=assistant)


@app.get("/token")
def token() -> str:
    """A token that lives for `?seconds=`, for the user of `?user=`."""
    lifetime = timedelta(seconds=float(request.args["seconds"]))
    return create_access_token(request.args["user"], expires_delta=lifetime)
