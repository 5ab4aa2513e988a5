"""`gatectl up --detach`: the same command in the background, and the wait until it serves."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import Running, read_running
from gatectl.runtime import ready
from gatectl.runtime import state_dir as directories
from gatectl.runtime.processes import tail

LOG = "up.log"
POLL_SECONDS = 0.05
STOP_SECONDS = 30.0


def detach(argv: Sequence[str], state_dir: Path, timeout: float) -> Running:
    """Run ``gatectl <argv>`` (an ``up`` without ``--detach``) in a session of its own; returns once it serves.

    Its output goes to ``logs/up.log``; the development keys are then in :func:`ready.read`. Raises GatectlError with
    the end of that log when it does not come up, and with exit code 5 when it takes longer than ``timeout`` seconds.
    """
    directory = directories.prepare(state_dir)
    path = directory / directories.LOGS / LOG
    log_start = path.stat().st_size if path.exists() else 0
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # not subprocess: its Popen is for those who stay and wait
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "gatectl", *argv],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)
    try:
        outcome = _wait(pid, directory, time.monotonic() + timeout)
    except BaseException:  # Ctrl-C: what has not come up must not stay
        _end(pid)
        raise
    if isinstance(outcome, Running):
        return outcome
    if outcome is None:
        _end(pid)
        raise GatectlError(f"the gateway did not come up within {timeout:g} seconds:\n{tail(path, log_start)}", 5)
    raise GatectlError(f"the gateway did not come up:\n{tail(path, log_start)}", outcome if outcome > 0 else 1)


def _wait(pid: int, directory: Path, deadline: float) -> Running | int | None:
    """What becomes of the supervisor: it serves, or ended with this code, or None: neither before the deadline."""
    while time.monotonic() < deadline:
        marker = ready.read(directory)
        if marker is not None and marker.supervisor_pid == pid:
            return read_running(directory)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_SECONDS)
    return None


def _end(pid: int) -> None:
    """Stop the supervisor, which stops everything else, and wait for it."""
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
