"""gatectl limits set|show|list|reset|top."""

from collections.abc import Callable
from typing import Any

import typer

from gatectl.commands.limits import overriding, top

app = typer.Typer(no_args_is_help=True)
COMMANDS: dict[str, Callable[..., Any]] = {
    "set": overriding.set_,
    "show": overriding.show,
    "list": overriding.list_,
    "reset": overriding.reset,
    "top": top.run,
}
"""In the order of the help."""
for name, command in COMMANDS.items():
    app.command(name)(command)
