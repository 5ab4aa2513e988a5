"""Key records in Redis: what ext_authz reads, written here. A key itself is never stored.

Every function raises GatectlError (5) when Redis cannot be used. A change is made to the record as it is at that very
moment, so that none undoes another: a revocation is never lost.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from pydantic import ValidationError
from redis.client import Pipeline

from ext_authz.api_key import KeyProperties, KeyRecord, mint, redis_key, uses_key
from gatectl.diagnostics import GatectlError
from gatectl.runtime.keyring import Keyring
from gatectl.runtime.redis_connection import atomically, connected

State = Literal["active", "pending", "expired", "revoked"]


class ListedKey(NamedTuple):
    """A record, and when its key was last used: to the minute, None when it never was."""

    record: KeyRecord
    last_used_at: datetime | None = None


class Rotated(NamedTuple):
    """The new key, its record, and the record of the old one."""

    key: str
    successor: KeyRecord
    old: KeyRecord


def properties(**given: Any) -> KeyProperties:
    """What a key stands for. Raises GatectlError (64) for what ext_authz would not accept, and a time that never is."""
    try:
        wanted = KeyProperties.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = str(first["loc"][0]).rstrip("s").replace("_", "-")
        raise GatectlError(f"{what}: {first['msg'].removeprefix('Value error, ')}", 64) from None
    if wanted.not_before is not None and wanted.expires_at is not None and wanted.not_before >= wanted.expires_at:
        raise GatectlError("the key would expire before it begins to work", 64)
    return wanted


def create(ring: Keyring, wanted: KeyProperties) -> tuple[str, KeyRecord]:
    """A new key and its record. The key is not kept anywhere: show it now."""
    with connected(ring.redis_url) as client:
        while True:
            key, record = _made(ring, wanted)
            # never over an existing record: that would turn one user's key into another's
            if client.hsetnx(redis_key(ring.gateway), record.id, _written(record)):
                return key, record


def list_keys(ring: Keyring) -> list[ListedKey]:
    """Every record, oldest first, revoked and expired ones included. What cannot be read opens nothing: left out."""
    with connected(ring.redis_url) as client:
        documents = cast("dict[str, str]", client.hgetall(redis_key(ring.gateway)))
        uses = cast("dict[str, str]", client.hgetall(uses_key(ring.gateway)))
    records = [record for document in documents.values() if (record := read(document)) is not None]
    found = [ListedKey(record, _time(uses.get(record.id))) for record in records]
    return sorted(found, key=lambda one: (one.record.created_at, one.record.id))


def find(ring: Keyring, key_id: str) -> ListedKey:
    """One record. Raises GatectlError when there is none."""
    with connected(ring.redis_url) as client:
        document = cast("str | None", client.hget(redis_key(ring.gateway), key_id))
        used = cast("str | None", client.hget(uses_key(ring.gateway), key_id))
    return ListedKey(_record(ring, key_id, document), _time(used))


def revoke(ring: Keyring, key_id: str, reason: str | None = None) -> KeyRecord:
    """Revoke a key and return its record, which stays. Revoking it again changes nothing.

    Raises GatectlError when there is no such key, and (64) for a reason that is no text for people.
    """

    def change(record: KeyRecord) -> KeyRecord:
        if record.revoked_at is not None:
            return record
        return _changed(record, revoked_at=datetime.now(UTC), revoked_reason=reason)

    return _change(ring, key_id, change)


def expire(ring: Keyring, key_id: str, at: datetime | None) -> KeyRecord:
    """Let a key expire at that time, or never. Raises GatectlError when there is no such key, or it is revoked."""

    def change(record: KeyRecord) -> KeyRecord:
        if record.revoked_at is not None:
            raise GatectlError(f"key {key_id} is revoked, and stays so: `gatectl keys create` makes a new one")
        return _changed(record, expires_at=at)

    return _change(ring, key_id, change)


def rotate(ring: Keyring, key_id: str, overlap: timedelta) -> Rotated:
    """A new key with the properties of an old one, which expires after ``overlap``, if not before.

    The new one lives as long as the old one was made for, and works no sooner. Raises GatectlError when there is no
    such key, or when it is revoked, has expired, or was rotated already.
    """

    def exchange(pipe: Pipeline) -> Rotated:
        now, name = datetime.now(UTC), redis_key(ring.gateway)
        old = _record(ring, key_id, cast("str | None", pipe.hget(name, key_id)))
        if old.successor is not None:
            raise GatectlError(f"key {key_id} was rotated already: its successor is {old.successor}")
        if state(old, now) in {"revoked", "expired"}:
            raise GatectlError(f"key {key_id} is {state(old, now)}: `gatectl keys create` makes a new one")
        lifetime = old.expires_at - old.created_at if old.expires_at is not None else None
        wanted = KeyProperties.model_validate(old.model_dump()).model_copy(
            update={"expires_at": now + lifetime if lifetime is not None else None}
        )
        key, successor = _made(ring, wanted, rotated_from=old.id)
        ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        old = _changed(old, expires_at=ends, successor=successor.id)
        pipe.multi()
        pipe.hset(name, mapping={record.id: _written(record) for record in (old, successor)})
        return Rotated(key, successor, old)

    return atomically(ring.redis_url, redis_key(ring.gateway), exchange)


def forget(ring: Keyring, key_ids: Iterable[str]) -> None:
    """Remove records: those of development keys, which live no longer than the gateway does."""
    with connected(ring.redis_url) as client:
        for key_id in key_ids:
            client.hdel(redis_key(ring.gateway), key_id)
            client.hdel(uses_key(ring.gateway), key_id)


def state(record: KeyRecord, now: datetime) -> State:
    """What ext_authz would make of the key now, wherever it came from."""
    if record.revoked_at is not None:
        return "revoked"
    if record.expires_at is not None and record.expires_at <= now:
        return "expired"
    return "pending" if record.not_before is not None and now < record.not_before else "active"


def read(document: str) -> KeyRecord | None:
    """A record as it is stored; None when it cannot be read."""
    try:
        return KeyRecord.model_validate_json(document)
    except ValueError:
        return None


def _made(ring: Keyring, wanted: KeyProperties, rotated_from: str | None = None) -> tuple[str, KeyRecord]:
    key, minted = mint(ring.prefix)
    record = KeyRecord(
        **wanted.model_dump(),
        id=minted.id,
        hash=ring.peppers.seal(key),
        created_at=datetime.now(UTC),
        rotated_from=rotated_from,
    )
    return key, record


def _change(ring: Keyring, key_id: str, change: Callable[[KeyRecord], KeyRecord]) -> KeyRecord:
    name = redis_key(ring.gateway)

    def edit(pipe: Pipeline) -> KeyRecord:
        record = _record(ring, key_id, cast("str | None", pipe.hget(name, key_id)))
        changed = change(record)
        pipe.multi()
        if changed != record:
            pipe.hset(name, key_id, _written(changed))
        return changed

    return atomically(ring.redis_url, name, edit)


def _changed(record: KeyRecord, **fields: Any) -> KeyRecord:
    """The record with other values, which are looked at like those of a new one."""
    try:
        return KeyRecord.model_validate({**record.model_dump(), **fields})
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise GatectlError(message, 64) from None


def _record(ring: Keyring, key_id: str, document: str | None) -> KeyRecord:
    record = read(document) if document is not None else None
    if record is None:
        raise GatectlError(f'gateway {ring.gateway} has no API key "{key_id}"; `gatectl keys list` shows them')
    return record


def _written(record: KeyRecord) -> str:
    return record.model_dump_json(exclude_defaults=True)


def _time(unix_seconds: str | None) -> datetime | None:
    return (
        datetime.fromtimestamp(int(unix_seconds), UTC)
        if unix_seconds and unix_seconds.isascii() and unix_seconds.isdigit()
        else None
    )
