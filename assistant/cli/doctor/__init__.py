"""`flask assistant doctor`: finds what breaks this kind of service, in the set-up, in the store, and on the way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from flask.cli import ScriptInfo, prepare_import
from flask_jwt_extended import create_access_token

from ..remote import Remote
from . import setup, store, wire
from .findings import Findings

_PROBE = Path(__file__).with_name("probe.py")
# How long the app may take to be imported; seconds.
_PATIENCE = 120.0


@click.command()
@click.option("--url", help="A running server with its prefix, as browsers reach it: streams through it.")
@click.option(
    "--token", envvar="ASSISTANT_TOKEN", help="An access token for --url; a guest's or one of this app's without."
)
@click.option("--mode", default=wire.MODE, show_default=True, help="Which mode answers through --url.")
@click.option("--gunicorn", default="", help="gunicorn's arguments, where gunicorn.conf.py does not say it all.")
@click.option("--ignore", multiple=True, metavar="CODE", help="A finding that is meant to be so; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context,
    *,
    url: str | None,
    token: str | None,
    mode: str,
    gunicorn: str,
    ignore: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look for what breaks this kind of service.

    Says nothing and exits 0 when all is well; exits 1 when there is a fault. Warnings are said and do not count.
    """
    info, findings = ctx.ensure_object(ScriptInfo), Findings()
    module = _module(info)
    if module is not None:
        _examine_here(module, gunicorn, findings)
    elif url is None:
        raise click.UsageError("there is no app here: flask --app MODULE assistant doctor, or --url")
    if url is not None:
        wire.examine(_remote(url, token, info), mode, findings)
    _report(findings.without(ignore), as_json)
    sys.exit(0 if findings.without(ignore).sound else 1)


def _report(findings: Findings, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(findings.as_json(), indent=2))
        return
    for one in findings.found:
        click.echo(f"{one.level} {one.code}: {one.what}\n    {one.remedy}")
    for why in findings.skipped:
        click.echo(f"not looked at: {why}", err=True)


def _examine_here(module: tuple[str, str], gunicorn: str, findings: Findings) -> None:
    facts = probed(module, gunicorn, findings)
    if facts is None:
        return
    setup.examine(facts, findings)
    registry = facts.get("settings", {}).get("registry", "")
    if registry.startswith(("redis", "unix:")):
        store.examine(registry, findings)


def probed(module: tuple[str, str], gunicorn: str, findings: Findings) -> dict[str, Any] | None:
    """The facts of the set-up, found out in a fresh process; None when that process did not get so far."""
    command = [sys.executable, str(_PROBE), *module, gunicorn]
    paths = os.pathsep.join(filter(None, [sys.path[0] or os.getcwd(), os.environ.get("PYTHONPATH")]))
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "PYTHONPATH": paths},
        )
        facts: dict[str, Any] = json.loads(ran.stdout.rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        findings.fault("load_failed", f"the app was not imported within {_PATIENCE:g} s", "start it by hand and look")
    except ValueError:
        last = (ran.stderr.strip() or "no word").splitlines()[-1]
        findings.fault("load_failed", f"the app ends the process while it is imported: {last}", "start it by hand")
    else:
        if "problem" in facts and ran.stderr.strip():
            facts["problem"] = ran.stderr.strip().splitlines()[-1]
        return facts
    return None


def _module(info: ScriptInfo) -> tuple[str, str] | None:
    """The module that is served and the app in it, as `flask --app` names them; None when there is none."""
    path, name = (*re.split(r":(?![\\/])", info.app_import_path or "", maxsplit=1), "")[:2]
    for candidate in [path] if path else ["wsgi.py", "app.py"]:
        if path or Path(candidate).is_file():
            return prepare_import(candidate), name
    return None


def _remote(url: str, token: str | None, info: ScriptInfo) -> Remote:
    try:
        remote = Remote(url, token or "")
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--url") from None
    if not remote.token:
        remote.token = _own_token(info)
    return remote


def _own_token(info: ScriptInfo) -> str:
    """A token of the app beside us; none when it cannot be loaded or has a login of its own."""
    try:
        with info.load_app().app_context():
            return str(create_access_token("doctor"))
    except Exception:
        return ""
