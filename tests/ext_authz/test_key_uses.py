"""When keys were last used: sampled, batched, bounded, and never in a request's way."""

import asyncio
import time
from collections.abc import Iterable

import pytest

from ext_authz import api_key, key_uses
from ext_authz.key_uses import KeyUses, follow_uses
from tests.ext_authz.conftest import WHEN, Keys, Valkey

NOW = int(WHEN.timestamp())


async def uses_of(keys: Keys) -> dict[str, int]:
    found = await keys.operator.hgetall(api_key.uses_key("support"))
    return {key_id.decode(): int(used) for key_id, used in found.items()}


def id_of(key: str) -> str:
    parsed = api_key.parse(key)
    assert parsed
    return parsed.id


async def test_a_key_that_was_accepted_has_been_used_and_no_other(keys: Keys) -> None:
    good, revoked, unused = await keys.create(), await keys.create(revoked_at=WHEN), await keys.create()
    async with follow_uses(keys.redis) as uses:
        keys.obey(uses=uses)
        assert await keys.reason(good, now=NOW) == "accepted"
        for refused in (revoked, api_key.mint()[0], "nonsense"):
            assert await keys.reason(refused, now=NOW) != "accepted"
        assert await keys.reason(unused, now=NOW + 1, address="nowhere") == "accepted"
    assert await uses_of(keys) == {id_of(good): NOW, id_of(unused): NOW + 1}


async def test_a_busy_key_is_noted_once_a_minute_and_written_in_one_batch_with_others(keys: Keys) -> None:
    busy = [await keys.create() for _ in range(50)]
    uses = KeyUses(keys.redis)
    keys.obey(uses=uses)
    written = []
    for second in range(0, 130, 10):
        for key in busy:
            await keys.judge(key, now=NOW + second)
        await keys.operator.config_resetstat()
        await uses.flush()
        evals = (await keys.operator.info("commandstats")).get("cmdstat_eval", {"calls": 0})["calls"]
        written.append((second, evals, set((await uses_of(keys)).values())))
    assert [(second, {used - NOW for used in used_at}) for second, evals, used_at in written if evals] == [
        (0, {0}),
        (60, {60}),
        (120, {120}),
    ]
    assert max(evals for _, evals, _ in written) == 1


async def test_what_is_noted_is_written_soon_without_anybody_asking(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_uses, "BATCH_SECONDS", 0.01)
    key = await keys.create()
    async with follow_uses(keys.redis) as uses:
        uses.note("support", id_of(key), NOW)
        deadline = time.monotonic() + 5
        while await uses_of(keys) != {id_of(key): NOW}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)


async def test_a_use_does_not_outlive_its_record(keys: Keys) -> None:
    key = await keys.create()
    await keys.delete(key)
    async with follow_uses(keys.redis) as uses:
        uses.note("support", id_of(key), NOW)
    assert await uses_of(keys) == {}


async def test_while_redis_is_away_uses_are_lost_and_nothing_else_happens(keys: Keys, valkey: Valkey) -> None:
    key = await keys.create()
    async with follow_uses(keys.redis) as uses:
        keys.obey(uses=uses)
        assert await keys.reason(key, now=NOW) == "accepted"
        valkey.kill()
        await uses.flush()
        assert await keys.reason(key, now=NOW + 61) == "accepted"
    assert uses._pending == {}


async def test_memory_is_bounded_whatever_is_used(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "PENDING_CAPACITY", 10)
    monkeypatch.setattr(key_uses, "CAPACITY", 20)
    uses = KeyUses(keys.redis)
    ids: Iterable[str] = (f"{n:012d}" for n in range(1000))
    for key_id in ids:
        uses.note("support", key_id, NOW)
    assert (len(uses._pending), len(uses._noted._entries)) == (10, 20)
