"""The audit trail of a gateway, read: what the services and gatectl wrote into one directory."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import watchfiles
from pydantic_core import PydanticCustomError

from audit import files, reading
from audit.verifier import Verifier, verify
from gatectl.diagnostics import GatectlError
from gatectl.fields import parse_duration
from gatectl.rollout.acts import TRAIL

LOOK_MS = 1000
"""How long following trusts the kernel to tell of every change before it looks by itself."""


def newest(state_dir: Path, audit_dir: Path | None, count: int, *, follow: bool) -> Iterator[reading.Event]:
    """The last ``count`` events by time; then, with ``follow``, each that is written. Raises GatectlError."""
    with _directory(state_dir, audit_dir) as directory, reading.Tail(directory) as tail:
        yield from tail.newest(count)
        if follow:
            # rust_timeout: a line written between the two looks is told by the next one, at the latest
            for _ in watchfiles.watch(directory, debounce=200, rust_timeout=LOOK_MS, yield_on_timeout=True):
                yield from tail.news()


def search(
    state_dir: Path, audit_dir: Path | None, fields: Mapping[str, str | None], since: str | None, until: str | None
) -> Iterator[reading.Event]:
    """The events with these values, None for any, by time. Raises GatectlError, also for a time that is none (64)."""
    wanted = {name: value for name, value in fields.items() if value is not None}
    question = reading.Question(
        wanted,
        since=_moment("--since", since) if since is not None else "",
        until=_moment("--until", until) if until is not None else "~",
    )
    with _directory(state_dir, audit_dir) as directory:
        yield from reading.search(directory, question)


def verified(state_dir: Path, audit_dir: Path | None, expected: Sequence[str]) -> dict[str, Any]:
    """Each chain and whether it is whole; ``missing``: the expected hashes that no chain has. Raises GatectlError."""
    if not all(re.fullmatch("[0-9a-f]{64}", one) for one in expected):
        raise GatectlError("--expect must be a hash as `gatectl audit verify` prints it: 64 hexadecimal digits", 64)
    chains, missing = [], set(expected)
    with _directory(state_dir, audit_dir) as directory:
        for writer in files.writers(directory):
            found = verify(reading.lines(directory, writer), missing)
            missing = found.expected
            chains.append(_chain(writer, found))
    return {
        "directory": str(directory),
        "whole": not missing and all(chain["whole"] for chain in chains),
        "chains": chains,
        "missing": sorted(missing),
    }


def _chain(writer: str, found: Verifier) -> dict[str, Any]:
    first, last = found.first, found.last
    return {
        "writer": writer,
        "whole": not found.breaks and not found.more,
        "lines": found.lines,
        "first": {"seq": first.link.seq, "time": first.time} if first else None,
        "last": {"seq": last.link.seq, "time": last.time} if last else None,
        "head": last.link.hash if last else None,
        "breaks": [{"place": one.place, "kind": one.kind, "message": one.message} for one in found.breaks],
        "more": found.more,
    }


@contextmanager
def _directory(state_dir: Path, audit_dir: Path | None) -> Iterator[Path]:
    directory = audit_dir or state_dir / TRAIL
    try:
        present = directory.is_dir() and files.writers(directory)
        if present:
            yield directory
    except OSError as error:
        raise GatectlError(f"the audit trail in {directory} cannot be read: {error.strerror}") from None
    if not present:
        raise GatectlError(f"there is no audit trail in {directory}")


def _moment(option: str, text: str) -> str:
    """``1h`` (ago) or an RFC 3339 time, UTC when it names no zone, as the lines of a trail write it."""
    try:
        when = datetime.now(UTC) - timedelta(milliseconds=parse_duration(text))
    except PydanticCustomError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            example = "such as 1h, 30m or 2026-11-22T08:00:00Z"
            raise GatectlError(f"{option} must be how long ago, or a time: {example}", 64) from None
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return when.astimezone(UTC).isoformat(timespec="milliseconds")
