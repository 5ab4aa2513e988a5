"""gatectl status."""

from contextlib import closing
from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, Admins, OutputOption, Services, StateDir
from gatectl.views import view


def run(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    admins: Admins = None,
    services: Services = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between two looks of --watch.")
    ] = 2,
    count: Annotated[int, typer.Option("--count", min=0, help="Looks of --watch; 0 is without end.")] = 0,
    output: OutputOption = "human",
) -> int:
    """Show who runs, and which revision each part obeys.

    SYNCED: it obeys what is in force; the age is that of Envoy's last reading. PENDING: a rollout is on its way to it.
    REJECTED: it refuses what is in force. STALE: it obeys something else. UNREACHABLE: it says nothing within 2 s.

    Exit code 0 when everything runs and obeys the revision in force, 5 when something does not or nothing runs; with
    --count, as the last look found it.

    Examples:

      gatectl status

      gatectl status -o json

      gatectl status --watch --interval 0.5 --count 2
    """
    from gatectl.rollout.observer import Observer

    healthy = False
    with closing(Observer(state_dir, admins or (), services or ())) as observer:
        if not watch:
            found = observer.look()
            view(output).result("status", found.data())
            return 0 if found.healthy else 5
        with view(output).repeating("status") as show:
            for found in observer.looks(interval, count):
                show(found.data())
                healthy = found.healthy
    return 0 if healthy else 5
