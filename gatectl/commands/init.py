"""gatectl init."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import OutputOption
from gatectl.views import view


def run(
    path: Annotated[Path, typer.Argument(help="File to write, - for stdout.", metavar="[FILE]")] = Path("gateway.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    output: OutputOption = "human",
) -> None:
    """Write a commented spec to start from.

    Examples:

      gatectl init

      gatectl init orders/gateway.yaml

      gatectl init - | gatectl validate -f -
    """
    from gatectl.rollout.new_file import write_new
    from gatectl.spec.scaffold import scaffold

    if str(path) == "-":
        view("human").result("text", scaffold())
        return
    write_new(path, scaffold(), force=force)
    view(output).result("initialised", {"file": str(path)})
