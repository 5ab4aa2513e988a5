"""gatectl rollback."""

from typing import Annotated

import typer

from gatectl.commands.options import (
    DEFAULT_STATE_DIR,
    Admins,
    AllowDeletes,
    AutoApprove,
    EnvoyOption,
    Message,
    OutputOption,
    Services,
    StateDir,
    Timeout,
    Wait,
)
from gatectl.views import view


def run(
    revision: Annotated[
        str | None, typer.Argument(help="Revision, or its first digits; the previous one by default.", metavar="[REV]")
    ] = None,
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
    """Go forward to an old generation, through the same proof as any other.

    Shows the plan and asks, as apply does. `gatectl history` lists the revisions.

    Examples:

      gatectl rollback --auto-approve

      gatectl rollback 3f2a91 --message "orders answered 500"
    """
    from gatectl.commands.approval import carry_out
    from gatectl.rollout.proposal import Place, propose_rollback

    shown = view(output)
    place = Place(state_dir, admins or (), services or (), envoy, wait)
    proposal = propose_rollback(revision, place, shown.progress)
    quiet = output != "human"
    return carry_out(
        proposal, shown, timeout, message, approved=auto_approve, deletes=allow_deletes, quiet=quiet, wait=wait
    )
