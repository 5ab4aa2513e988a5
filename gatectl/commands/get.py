"""gatectl get."""

from typing import Annotated, Literal

import typer

from gatectl.commands import completion
from gatectl.commands.options import DEFAULT_FILES, Files, OutputOption
from gatectl.views import view


def run(
    kind: Annotated[Literal["routes", "upstreams", "limits", "issuers"], typer.Argument(help="What to show.")],
    name: Annotated[str | None, typer.Argument(help="Only this one.", autocompletion=completion.objects)] = None,
    files: Files = DEFAULT_FILES,
    output: OutputOption = "human",
) -> None:
    """Show what a spec holds: each object with its place, its settings, and what applies to it.

    Examples:

      gatectl get routes

      gatectl get upstreams -f base.yaml -f prod.yaml -o json

      gatectl get limits -f gateway.yaml
    """
    from gatectl.spec.listing import listing

    view(output).result(kind, listing(files, kind, name))
