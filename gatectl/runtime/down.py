"""`gatectl down`: stop the supervisor of a state directory, and with it everything that it started."""

import contextlib
import os
import signal
import time
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.runtime import leftovers, lock
from gatectl.runtime.lock import Supervisor

POLL_SECONDS = 0.05


def down(state_dir: Path, timeout: float) -> bool:
    """Stop the gateway that runs in ``state_dir``; False when none does. What a crashed one left is removed too.

    SIGTERM first; what is still there after ``timeout`` seconds is killed. Raises GatectlError when it is not ours to
    stop.
    """
    directory = state_dir.absolute()
    if not (directory / lock.FILE).exists():
        return False
    supervisor = lock.running(directory)
    if supervisor is not None:
        _stop(supervisor, timeout)
    with contextlib.suppress(lock.HeldError), lock.held(directory) as before:  # held: a new one was started meanwhile
        leftovers.remove(directory, before)
    return supervisor is not None


def _stop(supervisor: Supervisor, timeout: float) -> None:
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        try:
            os.kill(supervisor.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise GatectlError(f"the gateway (pid {supervisor.pid}) was started by another user") from None
        deadline = time.monotonic() + seconds
        while supervisor.alive and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not supervisor.alive:
            return
    raise GatectlError(f"the gateway (pid {supervisor.pid}) cannot be stopped")
