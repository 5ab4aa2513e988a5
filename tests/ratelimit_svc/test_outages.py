"""Redis killed, frozen, read-only and back: what callers get meanwhile, and how soon."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Policy
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import Charge, StoreUnavailableError, Terms
from tests.ratelimit_svc.conftest import a_limit

YEAR = 365 * 86_400_000
LIMIT = a_limit(5, YEAR)
TERMS = Terms("sliding_window", 5, YEAR)
CHARGE = [Charge("x", TERMS, 1)]
CALL = [Descriptor((("limit", "per-user"), ("revision", "r1"), ("user", "alice")), 1)]
DEADLINE = 0.1
GRACE = 0.15
"""Beyond the deadline: what a busy machine may add."""


@pytest.fixture
def open_limiter(book, open_store, fragile_server):
    """A limiter on the fragile server, for one limit of 5 and a mode of failure."""

    async def open_one(on_store_failure):
        policy = Policy(revision="r1", gateway="g", on_store_failure=on_store_failure, limits={"per-user": LIMIT})
        store = await open_store(fragile_server.url, DEADLINE)
        return Limiter(book(policy), store, LocalStore(100)), store

    return open_one


def metric(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def outcomes(limiter, calls):
    return [(await limiter.decide("g", CALL)).outcome for _ in range(calls)]


async def test_allow_the_fallback_enforces_the_limit_while_redis_is_dead(open_limiter, fragile_server):
    limiter, store = await open_limiter("allow")
    assert await outcomes(limiter, 1) == ["ok"]
    assert metric("ratelimit_store_up") == 1
    before = metric("ratelimit_fallbacks_total", policy="allow")
    fragile_server.kill()
    assert await outcomes(limiter, 7) == ["fallback_ok"] * 5 + ["fallback_over_limit"] * 2
    assert metric("ratelimit_fallbacks_total", policy="allow") - before == 7
    assert metric("ratelimit_store_up") == 0
    assert not store.breaker.closed


async def test_deny_every_call_fails_while_redis_is_dead(open_limiter, fragile_server):
    limiter, _ = await open_limiter("deny")
    fragile_server.kill()
    for _ in range(6):
        with pytest.raises(StoreUnavailableError):
            await limiter.decide("g", CALL)


async def test_redis_back_after_a_restart_decides_again(open_limiter, fragile_server):
    limiter, store = await open_limiter("allow")
    fragile_server.kill()
    await outcomes(limiter, 4)
    fragile_server.start()
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert await outcomes(limiter, 6) == ["ok"] * 5 + ["over_limit"]
    assert metric("ratelimit_store_up") == 1


async def test_a_restart_that_nobody_noticed_costs_no_more_than_one_failed_exchange(open_limiter, fragile_server):
    limiter, store = await open_limiter("allow")
    await outcomes(limiter, 1)
    fragile_server.kill()
    fragile_server.start()
    assert (await outcomes(limiter, 2))[-1] == "ok"
    assert store.breaker.closed


async def test_a_frozen_redis_is_waited_for_up_to_the_deadline_and_then_not_at_all(open_limiter, fragile_server):
    limiter, store = await open_limiter("allow")
    loop = asyncio.get_running_loop()

    async def seconds():
        started = loop.time()
        decision = await limiter.decide("g", CALL)
        assert decision.outcome.startswith("fallback_")
        return loop.time() - started

    fragile_server.freeze()
    assert max(await asyncio.gather(*(seconds() for _ in range(50)))) < DEADLINE + GRACE
    while store.breaker.closed:
        assert await seconds() < DEADLINE + GRACE
    assert await seconds() < 0.02
    fragile_server.thaw()
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    # answers belong to their own calls: nothing of the cut-off exchanges is left in the connection
    fresh = [[Charge(f"gatectl:{{g}}:rl:{number}", TERMS, number)] for number in range(1, 6)]
    await asyncio.gather(*(store.decide(charges) for charges in fresh))
    verdicts = await asyncio.gather(*(store.decide([charges[0]._replace(hits=0)]) for charges in fresh))
    assert [verdict.readings[0].room for verdict in verdicts] == [4, 3, 2, 1, 0]


async def test_one_slow_answer_does_not_open_the_breaker(open_store, fragile_server):
    store = await open_store(fragile_server.url, DEADLINE)
    fragile_server.freeze()
    with pytest.raises(StoreUnavailableError):
        await store.decide(CHARGE)
    fragile_server.thaw()
    assert store.breaker.closed
    assert len((await store.decide(CHARGE)).readings) == 1


async def test_a_service_started_without_redis_comes_up_and_finds_it_later(open_store, fragile_server):
    fragile_server.kill()
    store = await open_store(fragile_server.url, DEADLINE)
    with pytest.raises(StoreUnavailableError):
        await store.decide(CHARGE)
    fragile_server.start()
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert (await store.decide(CHARGE)).allowed


async def test_a_redis_that_cannot_write_counts_as_away_until_it_can(open_store, fragile_server):
    store = await open_store(fragile_server.url, DEADLINE)
    await fragile_server.command("REPLICAOF", "127.0.0.1", "1")
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.decide(CHARGE)
    assert not store.breaker.closed
    await fragile_server.command("REPLICAOF", "NO", "ONE")
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert (await store.decide(CHARGE)).allowed


async def test_a_flush_of_everything_starts_the_counters_over_and_nothing_fails(open_store, fragile_server):
    store = await open_store(fragile_server.url)
    assert (await store.decide(CHARGE)).allowed
    await fragile_server.command("FLUSHALL")
    await fragile_server.command("SCRIPT", "FLUSH")
    verdict = await store.decide(CHARGE)
    assert verdict.allowed
    assert verdict.readings[0].room == 5


async def test_closing_during_an_outage_leaves_no_task_behind(open_store, fragile_server):
    store = await open_store(fragile_server.url, DEADLINE)
    fragile_server.freeze()
    waiting = asyncio.create_task(store.decide(CHARGE))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
