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
    from gatectl.diagnostics import GatectlError
    from gatectl.spec.scaffold import scaffold

    if str(path) == "-":
        view("human").result("text", scaffold())
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(scaffold())
    except FileExistsError:
        raise GatectlError(f"{path} is there already; --force overwrites it") from None
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None
    view(output).result("initialised", {"file": str(path)})
