"""The record of a spec beside its generation, and the key that fingerprints of secrets are made with."""

import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from gatectl.diagnostics import GatectlError, printable
from gatectl.render.bundle import canonical
from gatectl.rollout.place import write_whole
from gatectl.rollout.store import GENERATIONS, Store
from gatectl.spec.formatting.writing import written
from gatectl.spec.model import Spec
from gatectl.spec.record import Record, record
from gatectl.spec.tree import Node

KEY = "fingerprint.key"
RECORD = "spec.json"


class Kept(BaseModel):
    """The file: a record, and the digest by which a change by hand is found."""

    digest: str
    record: Record


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
    """What is known of the spec that a revision was made of; None when nothing is, or when it was changed by hand."""
    if revision is None:
        return None
    with contextlib.suppress(OSError, ValidationError):
        kept = Kept.model_validate_json((state_dir / GENERATIONS / revision / RECORD).read_bytes())
        return kept.record if kept.digest == _digest(kept.record) else None
    return None


def dump(state_dir: Path, revision: str | None) -> str:
    """The spec that a revision was made of, as YAML; None: of the one in force. Raises GatectlError."""
    name = Store(state_dir).resolve(revision)
    kept = read_record(state_dir, name)
    if kept is None:
        raise GatectlError(f"nothing is known of the spec that {name} was made of")
    heading = printable(f"revision {name}, from {', '.join(kept.files)}")
    return written(kept.written, [heading], references=True)


def write_record(state_dir: Path, revision: str, kept: Record) -> None:
    """Put a record beside its generation, unless the very same is there. Raises OSError."""
    if read_record(state_dir, revision) != kept:
        content = Kept(digest=_digest(kept), record=kept).model_dump_json()
        write_whole(state_dir / GENERATIONS / revision / RECORD, content.encode())


def _digest(kept: Record) -> str:
    return hashlib.sha256(canonical(kept.model_dump(mode="json")).encode()).hexdigest()


def _key(state_dir: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return (state_dir / KEY).read_bytes() or None
    return None
