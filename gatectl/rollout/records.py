"""The record of a spec beside its generation, and the key that fingerprints of secrets are made with."""

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import write_whole
from gatectl.rollout.store import GENERATIONS, Store
from gatectl.spec.model import Spec
from gatectl.spec.record import Record, record
from gatectl.spec.tree import Node

KEY = "fingerprint.key"
RECORD = "spec.json"


def record_of(spec: Spec, tree: Node, files: Sequence[str], state_dir: Path) -> Record:
    """The record of a spec. Without a state directory there is nothing to compare with, and any key will do."""
    return record(spec, tree, files, _key(state_dir) or secrets.token_bytes(32))


def prepare_key(state_dir: Path) -> bool:
    """Make the key of a state directory, unless it has one: then False. Raises GatectlError."""
    if _key(state_dir) is not None:
        return False
    try:
        write_whole(state_dir / KEY, secrets.token_bytes(32))
    except OSError as error:
        raise GatectlError(f"{state_dir / KEY} cannot be written: {error.strerror}; nothing was changed") from None
    return True


def read_record(state_dir: Path, revision: str | None) -> Record | None:
    """What is known of the spec that a revision was made of; None when nothing is."""
    if revision is None:
        return None
    with contextlib.suppress(OSError, ValidationError):
        return Record.model_validate_json((state_dir / GENERATIONS / revision / RECORD).read_bytes())
    return None


def dump(state_dir: Path, revision: str | None) -> str:
    """The spec that a revision was made of, as YAML; None: of the one in force. Raises GatectlError."""
    name = Store(state_dir).resolve(revision)
    kept = read_record(state_dir, name)
    if kept is None:
        raise GatectlError(f"nothing is known of the spec that {name} was made of")
    head = f"# revision {name}, from {', '.join(kept.files)}\n"
    return head + yaml.safe_dump(kept.written, sort_keys=False, allow_unicode=True, width=120)


def write_record(state_dir: Path, revision: str, kept: Record) -> None:
    """Put a record beside its generation, unless the very same is there. Raises OSError."""
    if read_record(state_dir, revision) != kept:
        write_whole(state_dir / GENERATIONS / revision / RECORD, kept.model_dump_json().encode())


def _key(state_dir: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return (state_dir / KEY).read_bytes() or None
    return None
