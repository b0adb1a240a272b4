"""`flask assistant ask`: a question from the terminal, its answer as it comes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from .. import sse
from ..web.state import state
from .login import minted
from .remote import Refused, Remote, Unreachable, is_notice

# Exit codes: 1 no answer, 130 stopped by Ctrl-C (as shells have it).
_FAILED, _INTERRUPTED = 1, 130


@click.argument("prompt", required=False)
@click.option("--mode", default="chat", show_default=True, help="Which mode answers.")
@click.option("--url", envvar="ASSISTANT_URL", help="The server with its prefix; the local one without.")
@click.option("--token", envvar="ASSISTANT_TOKEN", help="An access token; a guest's or one of this app's without.")
@click.option("--quiet", is_flag=True, help="The answer alone, no stages.")
def ask(prompt: str | None, mode: str, url: str | None, token: str | None, quiet: bool) -> None:
    """Ask PROMPT (or what stands on standard input) and show the answer as it comes.

    The answer goes to standard output, all else to standard error. Ctrl-C cancels the request.
    """
    if prompt is None or prompt == "-":
        prompt = sys.stdin.read()
    try:
        remote = connected(url, token)
        sys.exit(_answer(remote, prompt, mode, Screen(quiet)))
    except (Unreachable, ValueError) as problem:
        raise click.ClickException(str(problem)) from None
    except Refused as no:
        raise click.ClickException(_told(no.problem)) from None


def connected(url: str | None, token: str | None) -> Remote:
    """The server that is meant, with a login. Raises Unreachable, ValueError; click.ClickException without a login."""
    web = state()
    remote = Remote(url or local_url(web.settings.url_prefix), token or "")
    if not remote.token and url is None and web.auth.by_token:
        remote.token = minted("cli")
    if not remote.token and not remote.guest():
        raise click.ClickException(f"{remote.base} takes no guests: give --token")
    return remote


def local_url(prefix: str) -> str:
    """Where `assistant.gunicorn` listens, by the same variables."""
    host = os.environ.get("HOST") or "127.0.0.1"
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{here}:{os.environ.get('PORT') or '8000'}{prefix}"


class Screen:
    """What a person sees: the answer on standard output, the rest on standard error."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._raw = not sys.stdout.isatty()
        self._open = False  # a line of the answer that has not ended
        self._index: int | None = None

    def chunk(self, data: dict[str, Any]) -> None:
        if data["part"] == "reasoning" or data.get("kind") == "citation":
            title = data.get("title") or ""
            self.note(f"{title}: {data['text']}" if title else data["text"])
            return
        if self._index not in (None, data["index"]):
            self._say("\n\n" if self._open else "\n")
        self._index = data["index"]
        self._say(data["text"])

    def note(self, text: str) -> None:
        if not self._quiet:
            click.secho(_printable(text), err=True, dim=True)

    def end(self) -> None:
        if self._open:
            self._say("\n")

    def _say(self, text: str) -> None:
        self._open = not text.endswith("\n") if text else self._open
        # a model must not move the cursor of a terminal; into a file goes what it said
        click.echo(text if self._raw else _printable(text), nl=False)
        sys.stdout.flush()


def _answer(remote: Remote, prompt: str, mode: str, screen: Screen) -> int:
    """Shows one answer; the exit code. Raises Refused, Unreachable."""
    request_id = remote.submit(prompt, mode)
    try:
        for message in remote.events(request_id):
            code = _shown(remote, request_id, message, screen)
            if code is not None:
                return code
    except KeyboardInterrupt:
        screen.end()
        _cancel(remote, request_id)
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        _cancel(remote, request_id)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        return _FAILED
    raise Unreachable("the stream ended without an end")


def _shown(remote: Remote, request_id: str, message: sse.Message, screen: Screen) -> int | None:
    """Shows one event; the exit code when it is the last one."""
    data = message.json()
    if is_notice(message):
        screen.note({"reset": "(from the start again)", "draining": "(the server is restarting)"}.get(
            data["state"], "(the token is over)"))  # fmt: skip
    elif message.event == "response_chunk":
        screen.chunk(data)
    elif message.event == "stage" and data["state"] == "started":
        screen.note(f"· {data['label']}")
    elif message.event == "action" and data["phase"] == "proposed":
        _decide(remote, request_id, data, screen)
    elif message.event == "complete":
        screen.end()
        if data["outcome"] == "cancelled":
            click.echo("cancelled", err=True)
        return 0 if data["outcome"] == "completed" else _FAILED
    elif message.event == "error":
        screen.end()
        click.echo(f"Error: {_told(data)}", err=True)
        return _FAILED
    return None


def _decide(remote: Remote, request_id: str, action: dict[str, Any], screen: Screen) -> None:
    """What a page would do: a person may approve; there is no page here that could give a result."""
    asked = f"The answer wants to run {action['name']} {action['args']}"
    if action["wants"] == "approval" and sys.stdin.isatty() and sys.stderr.isatty():
        screen.end()
        agreed = click.confirm(_printable(f"{asked}. Allow it?"), err=True)
        remote.deny(request_id, action["action_id"], "ok" if agreed else "denied")
    elif action["wants"] != "nothing":
        screen.note(f"{asked}; denied: this is no page.")
        remote.deny(request_id, action["action_id"])


def _cancel(remote: Remote, request_id: str) -> None:
    with suppress(Refused, Unreachable):
        remote.cancel(request_id)
        click.echo("cancelled", err=True)
        return
    click.echo(f"could not cancel {request_id}", err=True)


def _told(problem: dict[str, Any]) -> str:
    """A failure in one line: what the server says to users, its code, and what to do."""
    text = problem.get("detail") or problem.get("message") or problem.get("title") or "refused"
    findings = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problem.get("errors") or ())
    again = "; try again" if problem.get("retryable") else ""
    return _printable(f"{text}{f' ({findings})' if findings else ''} [{problem.get('code')}]{again}")


def _printable(text: str) -> str:
    """The text without what a terminal takes for a command."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)
