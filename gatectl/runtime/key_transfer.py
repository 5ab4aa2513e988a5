"""Key records out of Redis and back: one JSON document a line, hashes only. The way back after a disaster."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from pydantic import ConfigDict, ValidationError
from redis.client import Pipeline

from ext_authz.api_key import KeyRecord, redis_key
from gatectl.diagnostics import Diagnostic, GatectlError, Location, SpecError
from gatectl.rollout.place import write_whole
from gatectl.runtime.api_keys import list_keys, read
from gatectl.runtime.keyring import Keyring
from gatectl.runtime.redis_connection import atomically

LONGEST_LINE = 1 << 16
MOST_MISTAKES = 100
"""More are not told: the file is another one."""
CHUNK = 1000
"""Records in one command to Redis."""


class _WholeRecord(KeyRecord):
    """A record of which nothing is ignored: an unknown field would be lost."""

    model_config = ConfigDict(extra="forbid")


class Imported(NamedTuple):
    """What became of the records, by id."""

    created: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: tuple[str, ...]
    """They were there already, the same."""
    kept: tuple[str, ...]
    """Others of these ids are there, and stayed."""


def export_keys(ring: Keyring) -> str:
    """Every readable record, oldest first, one a line."""
    return "".join(f"{one.record.model_dump_json(exclude_defaults=True)}\n" for one in list_keys(ring))


def write_export(path: Path, text: str) -> None:
    """Into a file that only its owner can read. Raises GatectlError."""
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None


def read_export(file: BinaryIO, name: str) -> list[KeyRecord]:
    """The records of an export. Raises SpecError with every line that is none, and every id that stands twice."""
    records, lines, mistakes = list[KeyRecord](), dict[str, int](), list[Diagnostic]()
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE or len(mistakes) >= MOST_MISTAKES:
            too_long = len(line) > LONGEST_LINE
            mistakes.append(_mistake(name, number, "a record has 64 KiB at most" if too_long else "and so on"))
            break
        if not line.strip():
            continue
        try:
            record = KeyRecord.model_validate(_WholeRecord.model_validate_json(line).model_dump())
        except ValidationError as error:
            mistakes += [_mistake(name, number, _said(details)) for details in error.errors(include_input=False)]
            continue
        if record.id in lines:
            mistakes.append(_mistake(name, number, f"the id {record.id} stands in line {lines[record.id]} already"))
        lines.setdefault(record.id, number)
        records.append(record)
    if mistakes:
        raise SpecError(mistakes)
    return records


def import_keys(ring: Keyring, records: Sequence[KeyRecord], *, replace: bool, dry_run: bool) -> Imported:
    """Store records that are not there, all at once. With ``replace``, also over others of the same id.

    A revocation stays: no record without one replaces a record with one. ``dry_run`` says what would be done.
    """
    name = redis_key(ring.gateway)

    def store(pipe: Pipeline) -> Imported:
        there = _stored(pipe, name, [record.id for record in records])
        created, replaced, unchanged, kept = [], [], [], list[str]()
        fresh: list[KeyRecord] = []
        for record in records:
            document = there.get(record.id)
            old = read(document) if document is not None else None
            if document is None:
                created.append(record.id)
                fresh.append(record)
            elif old == record:
                unchanged.append(record.id)
            elif replace and (old is None or old.revoked_at is None or record.revoked_at is not None):
                replaced.append(record.id)
                fresh.append(record)
            else:
                kept.append(record.id)
        pipe.multi()
        if not dry_run:
            for chunk in _chunks(fresh):
                pipe.hset(name, mapping={one.id: one.model_dump_json(exclude_defaults=True) for one in chunk})
        return Imported(tuple(created), tuple(replaced), tuple(unchanged), tuple(kept))

    return atomically(ring.redis_url, name, store)


def _stored(pipe: Pipeline, name: str, ids: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for chunk in _chunks(ids):
        found |= zip(chunk, cast("list[str | None]", pipe.hmget(name, list(chunk))), strict=True)
    return found


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _said(details: Any) -> str:
    place = ".".join(map(str, details["loc"]))
    message = str(details["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _mistake(name: str, line: int, message: str) -> Diagnostic:
    return Diagnostic("GC0403", message, Location(name, line, 1), "export it again: nothing was imported")
