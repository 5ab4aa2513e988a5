"""What a rollout is about to do, written before it does anything: how the next command knows what a crash left."""

import contextlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gatectl.rollout.history import Action
from gatectl.rollout.place import write_whole
from gatectl.rollout.store import Store

JOURNAL = "rollout.json"


class Journal(BaseModel):
    """A rollout that has begun. ``previous`` is the generation that was in force."""

    model_config = ConfigDict(frozen=True)

    action: Action
    revision: str
    previous: str | None
    by: str
    began_at: str
    files: tuple[str, ...] = ()
    message: str | None = None


def begin(state_dir: Path, journal: Journal) -> None:
    """Write it, whole. Raises OSError."""
    write_whole(state_dir / JOURNAL, journal.model_dump_json(indent=1).encode())


def unfinished(state_dir: Path) -> Journal | None:
    """The rollout that has begun and not ended: it is under way, or was killed."""
    with contextlib.suppress(OSError, ValidationError):
        return Journal.model_validate_json((state_dir / JOURNAL).read_bytes())
    return None


def interrupted(store: Store) -> str | None:
    """The revision of a rollout that was killed; None when there is none, or when it is still under way."""
    begun = unfinished(store.state_dir)
    return begun.revision if begun is not None and not store.is_locked() else None


def end(state_dir: Path) -> None:
    """It is over, well or not."""
    with contextlib.suppress(OSError):
        (state_dir / JOURNAL).unlink(missing_ok=True)
