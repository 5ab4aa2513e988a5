"""gatectl apply."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import (
    DEFAULT_FILES,
    DEFAULT_STATE_DIR,
    Admins,
    AllowDeletes,
    AutoApprove,
    EnvoyOption,
    Message,
    OutputOption,
    OwnFiles,
    Services,
    StateDir,
    Timeout,
    Wait,
)
from gatectl.views import view


def run(
    plan: Annotated[
        Path | None, typer.Argument(help="A plan that `gatectl plan --out` wrote.", metavar="[PLAN]")
    ] = None,
    files: OwnFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    admins: Admins = None,
    services: Services = None,
    envoy: EnvoyOption = "auto",
    auto_approve: AutoApprove = False,
    allow_deletes: AllowDeletes = False,
    message: Message = None,
    timeout: Timeout = 30,
    wait: Wait = True,
    output: OutputOption = "human",
) -> int:
    """Bring a spec into force on the running gateway.

    Shows the plan and asks. Then it writes a new generation, lets both services load it, switches with one rename and
    waits until every Envoy and both services report the revision. If anybody refuses, the previous generation is put
    back (exit code 4), and so it is when somebody does not answer in time (5). Applying what is in force already
    changes nothing. A saved plan is applied exactly, without asking, or not at all.

    Examples:

      gatectl apply -f gateway.yaml --auto-approve

      gatectl apply plan.json

      gatectl apply -f gateway.yaml --no-wait --auto-approve
    """
    from gatectl.commands.approval import carry_out
    from gatectl.rollout.proposal import Place, propose, propose_again

    shown = view(output)
    place = Place(state_dir, admins or (), services or (), envoy, wait)
    if plan is not None:
        proposal = propose_again(plan, files, place, shown.progress)
    else:
        proposal = propose(files or DEFAULT_FILES, place, shown.progress)
    approved = auto_approve or plan is not None
    return carry_out(
        proposal, shown, timeout, message, approved=approved, deletes=allow_deletes, quiet=output != "human", wait=wait
    )
