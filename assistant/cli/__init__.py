"""`flask assistant ...`: commands for development, scripts and operators."""

from __future__ import annotations

import json
from datetime import timedelta

import click
from flask.cli import AppGroup

from ..web.openapi import document
from ..web.state import state
from .ask import ask
from .doctor import doctor
from .login import minted

commands = AppGroup("assistant", help="Work with the assistant server.")
commands.command()(ask)
commands.add_command(doctor)  # without an app: it may be what is wrong


@commands.command()
@click.argument("user")
@click.option(
    "--minutes", default=60.0, show_default=True, type=click.FloatRange(min=0.02), help="How long it is valid."
)
def token(user: str, minutes: float) -> None:
    """Print an access token for USER, for development and scripts."""
    if not 0 < len(user) <= 255 or not user.isprintable():
        raise click.BadParameter("a user id has 1 to 255 printable characters", param_hint="USER")
    click.echo(minted(user, timedelta(minutes=minutes)))


@commands.command()
def openapi() -> None:
    """Print the contract of the routes as an OpenAPI 3.1 document, with the modes and actions of this app."""
    web = state()
    click.echo(json.dumps(document(web.settings.url_prefix, web.catalog), indent=2, sort_keys=True, ensure_ascii=False))
