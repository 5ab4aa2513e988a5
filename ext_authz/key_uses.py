"""When API keys were last used: noted once a minute for each key, written in batches, never in a request's way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from ext_authz import telemetry
from ext_authz.api_key import redis_key, uses_key
from ext_authz.lru import Lru

SAMPLE_SECONDS = 60.0
"""A key's use is noted at most so often."""
BATCH_SECONDS = 1.0
"""How long uses are gathered before they are written together."""
DEADLINE_SECONDS = 1.0
CAPACITY = 20_000
"""Keys whose last note is remembered. One that is forgotten is noted again with its next use."""
PENDING_CAPACITY = 10_000
"""Uses that wait to be written; more are lost."""

# a use never outlives its record, nor brings it back
_WRITE = """
for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
"""

_At = tuple[str, str]
"""Gateway and key id."""


class KeyUses:
    """Notes uses; :meth:`follow` writes them to the Redis hash ``uses_key(gateway)``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._noted: Lru[_At, float] = Lru(CAPACITY)
        self._pending: dict[_At, float] = {}
        self._any = asyncio.Event()

    def note(self, gateway: str, key_id: str, now: float) -> None:
        """A key was used at ``now`` (Unix seconds)."""
        at = (gateway, key_id)
        last = self._noted.get(at)
        if last is not None and last <= now < last + SAMPLE_SECONDS:
            return
        self._noted.put(at, now)
        if len(self._pending) < PENDING_CAPACITY:
            self._pending[at] = now
            self._any.set()
        else:
            telemetry.KEY_USES.labels("lost").inc()

    async def follow(self) -> None:
        """Write what was noted until cancelled."""
        while True:
            await self._any.wait()
            await asyncio.sleep(BATCH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted. While Redis is away it is lost, and the keys' next uses are noted in a minute."""
        pending, self._pending = self._pending, {}
        self._any.clear()
        gateways: dict[str, list[str]] = {}
        for (gateway, key_id), used_at in pending.items():
            gateways.setdefault(gateway, []).extend((key_id, str(int(used_at))))
        for gateway, pairs in gateways.items():
            result = "written"
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self._redis.eval(_WRITE, 2, redis_key(gateway), uses_key(gateway), *pairs)
            except Exception:  # noqa: BLE001 - whatever goes wrong: that a key was used is not worth a request
                result = "lost"
            telemetry.KEY_USES.labels(result).inc(len(pairs) // 2)


@asynccontextmanager
async def follow_uses(redis: Redis) -> AsyncIterator[KeyUses]:
    """Uses that are written for as long as the block lasts, and once more at its end."""
    uses = KeyUses(redis)
    task = asyncio.create_task(uses.follow())
    try:
        yield uses
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await uses.flush()
