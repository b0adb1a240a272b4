"""`python -m assistant --app wsgi doctor`: the commands of `flask assistant`, also where the app cannot be loaded."""

from __future__ import annotations

from flask.cli import FlaskGroup

from .cli import commands

main = FlaskGroup(name="assistant", help=commands.help, add_default_commands=False, add_version_option=False)
for command in commands.commands.values():
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m assistant")
