"""gatectl history."""

from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, StateDir
from gatectl.views import view


def run(state_dir: StateDir = DEFAULT_STATE_DIR, output: OutputOption = "human") -> None:
    """List what was applied: who, when, what, from which spec, and what became of it.

    Examples:

      gatectl history

      gatectl history -o json
    """
    from gatectl.rollout import history, journal
    from gatectl.rollout.store import Store

    store = Store(state_dir)
    data = {
        "current": store.revision(),
        "interrupted": journal.interrupted(store),
        "kept": store.revisions(),
        "entries": [entry.model_dump(mode="json") for entry in history.read(state_dir)],
    }
    view(output).result("history", data)
