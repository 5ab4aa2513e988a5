"""``ready.json``: the gateway serves, and these development keys open it. Removed when it goes down."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gatectl.rollout.place import write_whole

FILE = "ready.json"


class ReadyKey(BaseModel):
    """A development key, made for this run."""

    model_config = ConfigDict(frozen=True)

    user: str
    roles: tuple[str, ...]
    plan: str | None
    id: str
    key: str = Field(repr=False)


class Ready(BaseModel):
    """Written by the supervisor once clients can connect."""

    model_config = ConfigDict(frozen=True)

    gateway: str
    supervisor_pid: int
    keys: tuple[ReadyKey, ...]


def read(state_dir: Path) -> Ready | None:
    """What is ready in ``state_dir``; None when nothing is (or the file makes no sense)."""
    try:
        return Ready.model_validate_json((state_dir / FILE).read_bytes())
    except (OSError, ValueError):
        return None


def write(state_dir: Path, ready: Ready) -> None:
    """Say so, for the owner's eyes only: the keys are in it."""
    write_whole(state_dir / FILE, ready.model_dump_json(indent=1).encode())
