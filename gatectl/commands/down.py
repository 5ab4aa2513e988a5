"""gatectl down."""

from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, StateDir
from gatectl.views import view


def run(state_dir: StateDir = DEFAULT_STATE_DIR, output: OutputOption = "human") -> None:
    """Stop everything that `gatectl up` started in the state directory. Stopping nothing is fine.

    Examples:

      gatectl down

      gatectl down --state-dir /var/lib/gateway
    """
    from gatectl.runtime.down import down

    shown = view(output)
    shown.progress("stopping")
    shown.result("stopped", {"stopped": down(state_dir, timeout=30), "state_dir": str(state_dir)})
