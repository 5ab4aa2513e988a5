"""The denylist of each gateway that takes tokens: a copy here, kept in step with Redis twice a second.

One GET asks for the version; the list itself is read only when that has changed. So a revoked token stops within a
second wherever Redis can be reached, and no request waits for Redis. While Redis is away the last copy stays in force
for the policy's ``revocations_stale_seconds``; after that nobody knows, and no token is accepted.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis

from ext_authz import telemetry
from ext_authz.policy import Policy
from ext_authz.revocation import MAX_ENTRIES, Denylist, Revocation, redis_key, version_key
from serving.policies import PolicyBook

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
CHUNK = 100
"""Records read in one go, in about a millisecond."""
DEADLINE_SECONDS = 2.0
"""For one look, the reading of a long list included. No request waits for it."""


class Revocations(Protocol):
    """Who knows what is revoked."""

    def known(self, gateway: str, stale_seconds: float) -> Denylist | None:
        """The gateway's denylist; None when it was not seen in force within ``stale_seconds``."""


class NothingRevoked:
    """The denylist of a gateway that cannot have one: it has no Redis, as in a rehearsal."""

    def known(self, _gateway: str, _stale_seconds: float) -> Denylist:
        """An empty one."""
        return _EMPTY


_EMPTY = Denylist()


@dataclass
class _Copy:
    """A denylist as of ``version``, and when it was last seen to be the one in force (monotonic seconds)."""

    denylist: Denylist
    version: bytes | str | None
    seen_at: float
    lost: bool = False
    """Redis no longer has it: it was emptied, and what was revoked must not come alive by that."""


class Denylists:
    """The copies of all gateways that are followed."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._gateways: set[str] = set()
        self._copies: dict[str, _Copy] = {}
        self._away = False
        self._wanted = asyncio.Event()

    def known(self, gateway: str, stale_seconds: float) -> Denylist | None:
        """As :class:`Revocations` says. What is looked at twice a second is fresh for a second in any case."""
        copy = self._copies.get(gateway)
        if copy is None or time.monotonic() - copy.seen_at > max(stale_seconds, 2 * POLL_SECONDS):
            return None
        return copy.denylist

    def follow(self, policies: Iterable[Policy]) -> None:
        """Look after exactly the gateways among these policies that take tokens."""
        self._gateways = {policy.gateway for policy in policies if policy.issuers}
        for gateway in self._copies.keys() - self._gateways:
            del self._copies[gateway]
        if self._gateways - self._copies.keys():
            self._wanted.set()  # a gateway that is new must not wait for the next turn

    async def look(self) -> None:
        """See what is in force now. Never raises."""
        for gateway in sorted(self._gateways):
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self._look(gateway)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the next look must take place
                telemetry.DENYLIST_READS.labels("failed").inc()
                if not self._away:
                    log.error(
                        "the denylist of tokens cannot be read, the last copy stays in force for a while",
                        extra={"gateway": gateway, "error": type(error).__name__},
                    )
                self._away = True
            else:
                if self._away:
                    log.info("the denylist of tokens can be read again", extra={"gateway": gateway})
                self._away = False

    async def _look(self, gateway: str) -> None:
        seen_at = time.monotonic()
        version = await self._redis.get(version_key(gateway))  # before the list: a change in between is seen next time
        copy = self._copies.get(gateway)
        if copy is not None and copy.version == version:
            copy.seen_at = seen_at
            telemetry.DENYLIST_READS.labels("unchanged").inc()
            return
        if copy is not None and version is None:  # never taken away by us: Redis has lost it
            if not copy.lost:
                log.error("the denylist is gone from Redis, the last copy stays in force", extra={"gateway": gateway})
            copy.lost, copy.seen_at = True, seen_at
            return
        if await self._redis.hlen(redis_key(gateway)) > MAX_ENTRIES:
            raise ValueError("the denylist is too long")
        documents = await self._redis.hvals(redis_key(gateway))
        revocations: list[Revocation] = []
        for start in range(0, len(documents), CHUNK):
            # one that cannot be read fails the whole: what it revokes is not known
            revocations += map(Revocation.model_validate_json, documents[start : start + CHUNK])
            await asyncio.sleep(0)  # requests come first
        if gateway in self._gateways:  # it may have been let go meanwhile
            self._copies[gateway] = _Copy(Denylist(revocations), version, seen_at)
        telemetry.DENYLIST_READS.labels("loaded").inc()
        log.info("denylist of tokens loaded", extra={"gateway": gateway, "entries": len(revocations)})

    async def keep_looking(self) -> None:
        """Look twice a second until cancelled; sleep for as long as no gateway takes tokens."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), POLL_SECONDS if self._gateways else None)
            self._wanted.clear()
            await self.look()


@contextlib.asynccontextmanager
async def follow_denylists(redis: Redis, book: PolicyBook[Policy]) -> AsyncIterator[Denylists]:
    """The denylists of all policies in the book, followed for as long as the block lasts."""
    denylists = Denylists(redis)
    book.on_load(lambda _: denylists.follow([p for r in book.revisions if (p := book.get(r)) is not None]))
    await denylists.look()  # before the first request
    following = asyncio.create_task(denylists.keep_looking())
    try:
        yield denylists
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
