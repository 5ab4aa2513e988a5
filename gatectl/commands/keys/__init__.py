"""gatectl keys create|list|show|rotate|revoke|expire|import|export: one file for each."""

import typer

from gatectl.commands.keys import create, expire, exporting, importing, listing, revoke, rotate, show

app = typer.Typer(no_args_is_help=True)
COMMANDS = {
    "create": create,
    "list": listing,
    "show": show,
    "rotate": rotate,
    "revoke": revoke,
    "expire": expire,
    "import": importing,
    "export": exporting,
}
"""In the order of the help."""
for name, command in COMMANDS.items():
    app.command(name)(command.run)
