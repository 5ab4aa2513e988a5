"""Key records in Redis: what ext_authz reads, written here. A key itself is never stored."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from ext_authz.api_key import KeyRecord, mint, redis_key
from ext_authz.policy import is_name
from gatectl.diagnostics import GatectlError
from gatectl.runtime.redis_connection import connected


def create(
    url: str,
    gateway: str,
    user: str,
    roles: Sequence[str],
    plan: str | None,
    attributes: Mapping[str, str],
    expires_at: datetime | None = None,
) -> tuple[str, KeyRecord]:
    """A new key and its record. The key is not kept anywhere: show it now. ``expires_at`` carries a time zone.

    Raises GatectlError (5) when Redis cannot be used, as all of these functions do, and (64) for a name that
    ext_authz would not accept.
    """
    for name in (user, *roles, *([plan] if plan is not None else [])):
        if not is_name(name):
            raise GatectlError(
                f"{name!r} is not a name: up to 256 printable characters without commas or outer spaces, not just -", 64
            )
    with connected(url) as client:
        while True:
            key, minted = mint()
            record = KeyRecord(
                id=minted.id,
                sha256=minted.sha256,
                user=user,
                roles=tuple(roles),
                plan=plan,
                attributes=dict(attributes),
                created_at=datetime.now(UTC),
                expires_at=expires_at,
            )
            # never over an existing record: that would turn one user's key into another's
            if client.hsetnx(redis_key(gateway), record.id, record.model_dump_json()):
                return key, record


def list_keys(url: str, gateway: str) -> list[KeyRecord]:
    """Every record, oldest first, revoked and expired ones included. What cannot be read opens nothing: left out."""
    with connected(url) as client:
        documents = cast("dict[str, str]", client.hgetall(redis_key(gateway)))
    records = [record for document in documents.values() if (record := _read(document)) is not None]
    return sorted(records, key=lambda record: (record.created_at, record.id))


def revoke(url: str, gateway: str, key_id: str) -> KeyRecord:
    """Revoke a key and return its record, which stays. Revoking it again changes nothing.

    Raises GatectlError when there is no such key.
    """
    with connected(url) as client:
        document = cast("str | None", client.hget(redis_key(gateway), key_id))
        record = _read(document) if document is not None else None
        if record is None:
            raise GatectlError(f'gateway {gateway} has no API key "{key_id}"; `gatectl keys list` shows them')
        if record.revoked_at is None:
            record = record.model_copy(update={"revoked_at": datetime.now(UTC)})
            client.hset(redis_key(gateway), key_id, record.model_dump_json())
    return record


def check(url: str) -> None:
    """Whether Redis can be used at all: it answers PING, which it does not while it reads its data."""
    with connected(url) as client:
        client.ping()


def forget(url: str, gateway: str, key_ids: Iterable[str]) -> None:
    """Remove records: those of development keys, which live no longer than the gateway does."""
    with connected(url) as client:
        for key_id in key_ids:
            client.hdel(redis_key(gateway), key_id)


def _read(document: str) -> KeyRecord | None:
    try:
        return KeyRecord.model_validate_json(document)
    except ValueError:
        return None
