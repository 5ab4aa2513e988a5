"""Records of API keys: read from Redis, remembered for so short that a revocation needs no messenger.

An entry is trusted for half a second, counted from before Redis was asked; so a revoked key stops working within a
second whatever else happens. While Redis is away, a key that was seen keeps working for the policy's
``stale_seconds``; anything else cannot be decided.
"""

import asyncio
import logging
import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from redis.asyncio import Redis

from ext_authz import telemetry
from ext_authz.api_key import KeyHash, KeyRecord, Peppers, redis_key
from ext_authz.identity import Identity, identity
from ext_authz.key_uses import KeyUses
from ext_authz.lru import Lru
from serving import redis_clients

log = logging.getLogger(__name__)

FRESH_SECONDS = 0.5
DEADLINE_SECONDS = 0.2
"""For one question to Redis, connecting included. Must stay below Envoy's timeout for the Check."""
PAUSE_SECONDS = 0.25
"""After a failure Redis is left alone for so long; then one question at a time tries again."""
FOUND_CAPACITY = 20_000
ABSENT_CAPACITY = 5_000
"""Absent ids are remembered apart: guessing at random must not push good keys out."""
BATCH = 1000
"""Most ids in one question."""

METHOD = "api_key"
"""The authenticator that these records belong to, as identities name it."""


class StoredKey(NamedTuple):
    """A record ready to be compared with: times in Unix seconds, the caller already built."""

    hash: KeyHash
    identity: Identity
    not_before: float | None = None
    expires_at: float | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    revoked: bool = False


class Entry(NamedTuple):
    """What Redis said at ``asked_at`` (monotonic seconds); ``key`` None: there is no such record."""

    key: StoredKey | None
    asked_at: float


_At = tuple[str, str]
"""Gateway and key id."""


class KeyStoreUnavailableError(Exception):
    """Redis is away and nothing recent is known of the key."""


def connect(url: str) -> Redis:
    """A client that gives up fast. Connects on first use. Whatever it is asked at once is of one gateway: one slot."""
    return redis_clients.client(url, DEADLINE_SECONDS)


class KeySet:
    """Key records by gateway and id.

    One question is under way at a time; ids that come up meanwhile make the next one together. So a thousand
    strangers at once cost two round trips, and a key that a thousand requests present is asked for once.

    ``peppers``: what the records' hashes were made with. ``uses`` is told of the keys that were accepted.
    """

    def __init__(self, redis: Redis, peppers: Peppers | None = None, uses: KeyUses | None = None) -> None:
        self._redis = redis
        self.peppers, self.uses = peppers or Peppers(), uses
        self._found: Lru[_At, Entry] = Lru(FOUND_CAPACITY)
        self._absent: Lru[_At, Entry] = Lru(ABSENT_CAPACITY)
        self._answers: dict[_At, asyncio.Future[Entry | None]] = {}
        self._queue: list[_At] = []
        self._asking: asyncio.Task[None] | None = None
        self._away = False
        self._retry_at = 0.0

    def fresh(self, gateway: str, key_id: str) -> Entry | None:
        """What is known for certain without asking; None: ask by :meth:`look_up`."""
        at = (gateway, key_id)
        entry = self._found.get(at) or self._absent.get(at)
        if entry is None or time.monotonic() - entry.asked_at > FRESH_SECONDS:
            return None
        telemetry.KEY_LOOKUPS.labels("cache").inc()
        return entry

    async def look_up(self, gateway: str, key_id: str, stale_seconds: float) -> Entry:
        """Ask Redis; when it is away, make do with what was found at most ``stale_seconds`` ago.

        Raises KeyStoreUnavailableError when there is no such knowledge.
        """
        at = (gateway, key_id)
        answer = self._answer(at)
        # shielded: that one caller hangs up must not fail the others who wait for the same key
        entry = await asyncio.shield(answer) if answer is not None else None
        if entry is not None:
            telemetry.KEY_LOOKUPS.labels("redis").inc()
            return entry
        entry = self._found.get(at)
        if entry is None or time.monotonic() - entry.asked_at > stale_seconds:
            telemetry.KEY_LOOKUPS.labels("none").inc()
            raise KeyStoreUnavailableError
        telemetry.KEY_LOOKUPS.labels("stale").inc()
        return entry

    def _answer(self, at: _At) -> asyncio.Future[Entry | None] | None:
        """What will become of the question after ``at``; None while Redis is left alone."""
        answer = self._answers.get(at)
        if answer is None and self._may_ask():
            answer = self._answers[at] = asyncio.get_running_loop().create_future()
            self._queue.append(at)
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask_all())
        return answer

    def _may_ask(self) -> bool:
        return not self._away or time.monotonic() >= self._retry_at

    async def _ask_all(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            entries = await self._ask(batch) if self._may_ask() else {}
            for at in batch:
                self._answers.pop(at).set_result(entries.get(at))

    async def _ask(self, batch: list[_At]) -> dict[_At, Entry]:
        """One question to Redis; empty when there is no answer."""
        asked_at = time.monotonic()
        self._retry_at = asked_at + PAUSE_SECONDS  # matters only while Redis is away: the others do not try meanwhile
        documents: dict[_At, bytes | str | None] = {}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                for gateway in {gateway for gateway, _ in batch}:
                    wanted = [at for at in batch if at[0] == gateway]
                    found = await self._redis.hmget(redis_key(gateway), [key_id for _, key_id in wanted])
                    documents.update(zip(wanted, found, strict=True))
        except Exception as error:  # noqa: BLE001 - not only RedisError: a closed transport raises RuntimeError, too
            if not self._away:
                log.error("Redis is away: API keys are judged by what is known", extra={"error": type(error).__name__})
            self._away, self._retry_at = True, time.monotonic() + PAUSE_SECONDS
            return {}
        if self._away:
            log.info("Redis is back")
        self._away = False
        entries = {at: Entry(_prepare(document, at[1]), asked_at) for at, document in documents.items()}
        for at, entry in entries.items():
            known, other = (self._found, self._absent) if entry.key is not None else (self._absent, self._found)
            known.put(at, entry)
            other.discard(at)
        return entries


def _prepare(document: bytes | str | None, key_id: str) -> StoredKey | None:
    """A record as stored, or None when there is none or it cannot be used: then the key does not work."""
    if document is None:
        return None
    try:
        record = KeyRecord.model_validate_json(document)
    except ValueError:
        log.error("API key record refused: not valid", extra={"key_id": key_id})
        return None
    caller = identity(
        user=record.user,
        roles=record.roles,
        plan=record.plan,
        attributes=record.attributes,
        method=METHOD,
        key_id=record.id,
    )
    if caller is None or record.id != key_id:
        log.error("API key record refused: unfit user, role, plan or id", extra={"key_id": key_id})
        return None
    return StoredKey(
        hash=record.hash,
        identity=caller,
        not_before=record.not_before.timestamp() if record.not_before is not None else None,
        expires_at=record.expires_at.timestamp() if record.expires_at is not None else None,
        networks=tuple(map(ip_network, record.networks)),
        # any revocation counts, whatever its time: the clock of the one who revoked may be ahead of ours
        revoked=record.revoked_at is not None,
    )
