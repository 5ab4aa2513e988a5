"""gatectl status."""

from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, StateDir
from gatectl.views import view


def run(state_dir: StateDir = DEFAULT_STATE_DIR, output: OutputOption = "human") -> int:
    """Show who runs and which revision each part obeys.

    Exit code 0 when everything runs the revision in force, 5 when something does not or nothing runs.

    Examples:

      gatectl status

      gatectl status --state-dir /var/lib/gateway -o json
    """
    from gatectl.rollout.status import status

    report = status(state_dir)
    view(output).result("status", report.data())
    return 0 if report.healthy else 5
