"""What uses Redis beside the counters: keys, revocations and overrides by command, ext_authz' lookups, and status."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta

from ext_authz.key_uses import KeyUses
from ext_authz.keyset import KeySet, connect
from ext_authz.revocation import Revocation, redis_key
from ext_authz.shared_failures import SharedFailures
from ext_authz.throttle import ADDRESS, Throttle
from gatectl.rollout.redis_status import RedisAdmin
from gatectl.runtime import api_keys, overrides, revocations
from gatectl.runtime.keyring import Keyring
from gatectl.runtime.refusals import look
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis import open_store
from ratelimit_svc.redis.overrides import FollowedOverrides
from ratelimit_svc.redis.poll import poll
from ratelimit_svc.redis.refusals import Refusals
from serving.redis_location import parse
from tests.ext_authz.test_throttle import LIMITS
from tests.ratelimit_svc.test_overrides import LIMIT
from tests.ratelimit_svc.test_refused import note


async def work_with(url: str) -> None:
    """Use all of it once, at a URL of any kind; asserts that it works."""
    ring = Keyring(url, "shop")
    key_id = await asyncio.to_thread(_administer, ring)
    client = connect(url)
    try:
        await client.hlen(redis_key("shop"))  # to connect may take longer than a look-up waits
        entry = await KeySet(client).look_up("shop", key_id, 0)
        assert entry.key is not None
        assert entry.key.identity.user == "bob"
        uses = KeyUses(client)
        uses.note("shop", key_id, 1_800_000_000.0)
        await uses.flush()
        assert await client.hlen(redis_key("shop")) == 1
        one, other = Throttle(), Throttle()
        one.report[(ADDRESS, "192.0.2.7")] = LIMITS.refuse_after + 1
        await SharedFailures(client, one).exchange("shop", LIMITS)
        await SharedFailures(client, other).exchange("shop", LIMITS)
        assert other.failures[ADDRESS].blocks
    finally:
        await client.aclose()
    await _limit(url)
    [listed] = await asyncio.to_thread(api_keys.list_keys, ring)
    assert listed.last_used_at is not None


async def _limit(url: str) -> None:
    """An override reaches a process of the limiter, and what it refuses reaches who looks."""
    followed, refusals = FollowedOverrides(), Refusals()
    wanted = overrides.override("a", LIMIT, "alice", ["7/minute"], None, None)
    await asyncio.to_thread(overrides.put, url, "shop", [wanted])
    note(refusals, "alice")
    store = open_store(parse(url), 5, Fallback(LocalStore(1), 1, lambda: 1))
    await store.start()
    try:
        await poll(store, "shop", [followed, refusals])
    finally:
        await store.close()
    assert followed.rates("a", LIMIT, "user:alice") == wanted.rates
    [seen] = await asyncio.to_thread(look, url, "shop", ["a"], 60_000)
    assert seen["refused"] == 1
    held = overrides.held_to({"a": LIMIT}, [wanted], None)
    assert await asyncio.to_thread(overrides.left, url, "shop", "alice", None, held, {}) == {"a": [7]}


def _administer(ring: Keyring) -> str:
    """The id of a key that was made and changed; a revocation was written, too."""
    _, record = api_keys.create(ring, api_keys.properties(user="bob"))
    api_keys.expire(ring, record.id, datetime.now(UTC) + timedelta(hours=1))
    now = datetime.now(UTC)
    revoked = Revocation(jti="j", revoked_at=now, expires_at=now + timedelta(hours=1))
    revocations.revoke(ring.redis_url, ring.gateway, revoked)
    with closing(RedisAdmin(ring.redis_url, 5)) as admin:
        status = admin.status()
    assert (status.reason, status.role) == (None, "master")
    return record.id
