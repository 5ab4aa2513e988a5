"""gatectl fmt."""

from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_FILES, Files, OutputOption
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 3 when a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, and write nothing.")] = False,
    output: OutputOption = "human",
) -> int:
    """Write specs in the one style, with every comment kept.

    Two blanks for each level, double quotes, top-level fields in the order of the language; the order of lists stays.
    A file is written whole or not at all, and only when it still means the same. From standard input (`-f -`) it
    goes to stdout.

    Examples:

      gatectl fmt -f gateway.yaml

      gatectl fmt -f base.yaml -f prod.yaml --check

      gatectl init - | gatectl fmt -f -
    """
    from gatectl.rollout import fmt

    found = fmt.read(files)
    if not check and not diff:
        fmt.write(found)
    view(output).result("formatted", fmt.data(found, check=check, diff=diff))
    return 3 if check and any(one.changed for one in found) else 0
