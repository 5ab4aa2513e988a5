"""What happened to a state directory: one JSON line for every rollout, whatever became of it.

Who, when, which revision, from which files; never a value of a spec, so nothing secret can be in it.
"""

import getpass
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gatectl.diagnostics import GatectlError

HISTORY = "history.jsonl"
Action = Literal["apply", "rollback", "up", "dev"]
Outcome = Literal["applied", "rejected", "not converged", "failed", "interrupted"]


class Entry(BaseModel):
    """One rollout. ``previous`` was in force before; after anything but ``applied`` it is in force again."""

    model_config = ConfigDict(frozen=True)

    at: str
    """When it ended, UTC (RFC 3339)."""
    by: str
    action: Action
    revision: str
    previous: str | None
    outcome: Outcome
    files: tuple[str, ...] = ()
    message: str | None = None
    """Why, in the words of whoever did it."""
    seconds: float | None = None
    nodes: tuple[str, ...] = ()
    """Everybody who reported the revision."""


def append(state_dir: Path, entry: Entry) -> None:
    """Add a line, synced. A line that a crash cut in two before is closed first. Raises OSError."""
    with os.fdopen(os.open(state_dir / HISTORY, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        whole = size == 0 or os.pread(file.fileno(), 1, size - 1) == b"\n"
        file.write((b"" if whole else b"\n") + json.dumps(entry.model_dump(mode="json")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(state_dir: Path) -> list[Entry]:
    """Every entry, oldest first. Lines that are damaged are passed over. Raises GatectlError when it is there and
    cannot be read: that is not the same as nothing.
    """
    path = state_dir / HISTORY
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise GatectlError(f"{path} cannot be read: {error.strerror}") from None
    return [entry for line in lines if (entry := _entry(line)) is not None]


def now() -> str:
    """The time of an entry."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def whoever() -> str:
    """``user@host`` of this process; GATECTL_USER names somebody else, as CI does for whom it works."""
    return os.environ.get("GATECTL_USER") or account()


def account() -> str:
    """``user@host`` that this process really runs as."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None
