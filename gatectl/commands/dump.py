"""gatectl dump."""

from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, StateDir
from gatectl.views import view


def run(
    revision: Annotated[
        str | None, typer.Argument(help="Revision, or its first digits; the one in force by default.", metavar="[REV]")
    ] = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Print the spec that a generation was made of.

    Several files come out as one. What came from the environment is printed as it was written, as `${NAME}`.

    Examples:

      gatectl dump > in-force.yaml
    """
    from gatectl.rollout.records import dump

    view("human").result("text", dump(state_dir, revision))
