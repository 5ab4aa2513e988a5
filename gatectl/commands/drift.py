"""gatectl drift."""

from dataclasses import asdict
from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, Admins, OutputOption, Services, StateDir
from gatectl.views import view


def run(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    admins: Admins = None,
    services: Services = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there is drift.")
    ] = False,
    output: OutputOption = "human",
) -> int:
    """Tell what runs differently from what was applied.

    behind: it has not got what is in force. edited: files were changed by hand. differs: its resources are not those
    of its version. unreachable: it does not answer.

    Examples:

      gatectl drift

      gatectl drift --detailed-exitcode -o json
    """
    from gatectl.rollout.drift import drift, refuse_nobody
    from gatectl.rollout.place import read_running
    from gatectl.rollout.store import Store
    from gatectl.rollout.targets import targets_of

    store = Store(state_dir)
    targets = targets_of(state_dir, read_running(state_dir), admins=admins or (), services=services or ())
    found = drift(store, targets)
    refuse_nobody(found, store, targets)
    data = {"revision": store.revision(), "drift": [asdict(one) for one in found]}
    view(output).result("drift", data)
    return 2 if found and detailed_exitcode else 0
