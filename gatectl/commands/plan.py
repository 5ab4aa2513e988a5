"""gatectl plan."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gatectl.commands.options import DEFAULT_FILES, DEFAULT_STATE_DIR, Admins, EnvoyOption, Files, Services, StateDir
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    admins: Admins = None,
    services: Services = None,
    envoy: EnvoyOption = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Also write the plan here, for `gatectl apply PLAN`.", metavar="FILE", dir_okay=False
        ),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes or drift.")
    ] = False,
    output: Annotated[
        Literal["human", "json", "markdown"],
        typer.Option("--output", "-o", help="For people, for programs, or for a pull request."),
    ] = "human",
) -> int:
    """Show what apply would change. Changes nothing.

    Compares three things: the objects of the spec with those in force, what they render to, and what runs with what
    was applied. Values that came from the environment are never shown; a changed one shows by its fingerprint.

    Examples:

      gatectl plan -f gateway.yaml

      gatectl plan -f base.yaml -f prod.yaml -o markdown

      gatectl plan -f gateway.yaml --out plan.json
    """
    from gatectl.rollout.proposal import Place, propose

    shown = view(output)
    plan = propose(files, Place(state_dir, admins or (), services or (), envoy), shown.progress).plan
    if out is not None:
        plan.write(out)
    shown.result("planned", plan.data())
    return 2 if detailed_exitcode and (plan.changed or plan.drift) else 0
