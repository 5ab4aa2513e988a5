"""Who runs in a state directory: one supervisor at a time.

An flock decides it, which ends with its holder however that ends. What stands in the file tells the others who that
is, and, after a crash, who it was.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.runtime import process_table

FILE = "supervisor.lock"


@dataclass(frozen=True)
class Supervisor:
    """A process that is, or was, the supervisor. ``started`` as :func:`process_table.started` tells it."""

    pid: int
    started: str

    @classmethod
    def this(cls) -> "Supervisor":
        """This very process."""
        return cls(os.getpid(), process_table.started(os.getpid()) or "")

    @property
    def alive(self) -> bool:
        """Whether it runs, and is not a stranger with the same pid."""
        return process_table.started(self.pid) == self.started


class HeldError(GatectlError):
    """Somebody runs here already."""


@contextlib.contextmanager
def held(state_dir: Path) -> Iterator[Supervisor | None]:
    """Be the one who runs in ``state_dir``. Yields the one before if it ended without tidying up.

    Raises HeldError when somebody else runs here.
    """
    with os.fdopen(os.open(state_dir / FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _parse(file.read())
            raise HeldError(
                f"a gateway runs in {state_dir} already{f' (pid {who.pid})' if who else ''}:"
                f" `gatectl down --state-dir {state_dir}` stops it, or choose another --state-dir"
            ) from None
        before, this = _parse(file.read()), Supervisor.this()
        _overwrite(file.fileno(), f"{this.pid} {this.started}")
        try:
            yield before
        finally:
            _overwrite(file.fileno(), "")


def running(state_dir: Path) -> Supervisor | None:
    """Who runs in ``state_dir`` now; None when nobody does."""
    try:
        who = _parse((state_dir / FILE).read_text())
    except OSError:
        return None
    return who if who is not None and who.alive else None


def _parse(text: str) -> Supervisor | None:
    pid, _, started = text.partition(" ")
    return Supervisor(int(pid), started) if pid.isdecimal() and int(pid) > 1 and started else None


def _overwrite(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
