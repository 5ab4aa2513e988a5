"""Administrative acts in the audit trail: who did what, and what came of it.

An act that cannot be written down is told and stands: a full disk must not keep anybody from revoking a key.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.writer import Entry, Writer
from gatectl.diagnostics import SpecError
from gatectl.rollout import history

TRAIL = "audit"
"""The directory of all trails in a state directory."""
WRITER = "gatectl"
WAIT_SECONDS = 2.0
"""For another gatectl that is writing."""
LONGEST_TEXT = 512
"""Characters of a text that somebody chose freely."""
Tell = Callable[[str], None]


def record_act(state_dir: Path, event: str, tell: Tell, **fields: Any) -> None:
    """Write one line, synced: ``by`` unless it is given, the account that did it, and ``fields``; no secret among them.

    What keeps it from being written goes to ``tell``; nothing is raised.
    """
    account = history.account()
    who = {"by": history.whoever(), **fields}
    entry = Entry(time.time(), event, {**{name: _cut(value) for name, value in who.items()}, "account": account})
    try:
        Writer(state_dir / TRAIL, WRITER).append([entry], wait=WAIT_SECONDS, sync=True)
    except OSError as error:
        tell(f"{event} is not in the audit trail: {state_dir / TRAIL} cannot be written: {error.strerror}")


@contextmanager
def act(state_dir: Path, event: str, tell: Tell, **fields: Any) -> Iterator[dict[str, Any]]:
    """Write one line when the block ends, with its ``outcome``: done, failed or interrupted.

    The block may add fields to what it is given. A usage error or a wrong spec is no act.
    """
    try:
        yield fields
    except BaseException as error:
        if not isinstance(error, SpecError) and getattr(error, "exit_code", None) != 64:
            outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            record_act(state_dir, event, tell, **fields, outcome=outcome)
        raise
    record_act(state_dir, event, tell, **fields, outcome="done")


def _cut(value: Any) -> Any:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value
