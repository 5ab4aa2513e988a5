"""What a supervisor that was killed leaves behind. Its children die with it; theirs, and files, may stay."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from gatectl.rollout.place import RUNNING
from gatectl.runtime import process_table, ready
from gatectl.runtime.lock import Supervisor
from gatectl.runtime.processes import mark
from gatectl.runtime.state_dir import ADMIN_SOCKET

DEADLINE_SECONDS = 5.0


def remove(state_dir: Path, before: Supervisor | None) -> None:
    """Remove them. For the holder of the lock only; ``before`` is whom :func:`lock.held` named."""
    if before is not None and not before.alive:
        _kill_marked(before)
    for name in (RUNNING, ready.FILE, ADMIN_SOCKET):
        (state_dir / name).unlink(missing_ok=True)


def _kill_marked(before: Supervisor) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        left = [pid for pid in process_table.marked(mark(before)) if pid != os.getpid()]
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
