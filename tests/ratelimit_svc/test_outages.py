"""Redis killed, frozen, read-only and back: what callers get meanwhile, and how soon."""

import asyncio
import contextlib
import gc

import pytest
from prometheus_client import REGISTRY

from ratelimit_svc.denied import Denied, DeniedFirst
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import ABSENT, ENDED, Policy
from ratelimit_svc.redis import exchange
from ratelimit_svc.redis.poll import poll
from ratelimit_svc.redis.processes import Processes
from ratelimit_svc.redis.refunds import Refunds
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import Charge, Reading, StoreUnavailableError, Terms, Verdict
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
        fallback = Fallback(LocalStore(100), 100, lambda: 1)
        store = await open_store(fragile_server.url, DEADLINE, fallback)
        return Limiter(book(policy), store, fallback), store

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


@pytest.mark.parametrize("on_store_failure", ["allow", "deny"])
async def test_a_stream_that_ends_while_redis_is_away_holds_no_lease_when_it_is_back(
    book, open_store, fragile_server, on_store_failure
):
    two = a_limit(2, YEAR, algorithm="concurrency")
    policy = Policy(revision="r1", gateway="g", on_store_failure=on_store_failure, limits={"per-user": two})
    fallback = Fallback(LocalStore(100), 100, lambda: 1)
    store = await open_store(fragile_server.url, DEADLINE, fallback)
    limiter = Limiter(book(policy), store, fallback)

    async def told(lease, *more):
        asked = (*CALL[0].entries, ("lease", lease), *more)
        return (await limiter.decide("g", [Descriptor(asked, 1)])).outcome

    end = [(key, ABSENT) for key in ENDED]
    assert [await told(lease) for lease in "abc"] == ["ok", "ok", "over_limit"]
    fragile_server.freeze()
    while store.breaker.closed:
        with contextlib.suppress(StoreUnavailableError):
            await told("d")
    assert await told("a", *end) == "fallback_ok"
    fragile_server.thaw()
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert [await told(lease) for lease in "ef"] == ["ok", "over_limit"]


async def test_redis_back_after_a_restart_decides_again_and_counts_what_was_admitted_without_it(
    open_limiter, fragile_server
):
    limiter, store = await open_limiter("allow")
    fragile_server.kill()
    assert await outcomes(limiter, 4) == ["fallback_ok"] * 4
    fragile_server.start()
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert await outcomes(limiter, 3) == ["ok", "over_limit", "over_limit"]
    assert metric("ratelimit_store_up") == 1


async def test_what_one_failed_exchange_left_owing_is_paid_by_the_next_poll(open_limiter, fragile_server):
    limiter, store = await open_limiter("allow")
    fragile_server.kill()
    fragile_server.start()
    assert await outcomes(limiter, 2) == ["fallback_ok", "ok"]
    assert store.breaker.closed
    await poll(store, "g", [])
    assert await outcomes(limiter, 4) == ["ok"] * 3 + ["over_limit"]


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


async def test_a_redis_without_memory_counts_as_away_until_it_has_some(open_store, fragile_server):
    store = await open_store(fragile_server.url, DEADLINE)
    await fragile_server.command("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.decide(CHARGE)
    assert not store.breaker.closed
    await fragile_server.command("CONFIG", "SET", "maxmemory", "0")
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    assert (await store.decide(CHARGE)).readings[0].room == 5  # what was refused charged nothing


async def test_processes_know_how_many_they_are_and_notice_a_flush(open_store, fragile_server):
    lost: list[int] = []
    stores = [await open_store(fragile_server.url) for _ in range(3)]
    processes = [Processes(1, lambda: lost.append(1)) for _ in stores]
    for _ in range(2):
        for store, one in zip(stores, processes, strict=True):
            await poll(store, "g", [one])
    await poll(stores[0], "other", [Processes(1, lambda: None)])  # another gateway on the same Redis
    assert [one.count for one in processes] == [3, 3, 3]
    assert not lost
    await fragile_server.command("FLUSHALL")
    await poll(stores[0], "g", [processes[0]])
    assert len(lost) == 1
    fragile_server.kill()
    with pytest.raises(StoreUnavailableError):
        await poll(stores[1], "g", [processes[1]])
    assert processes[1].count == 3


async def test_a_refund_is_told_to_all_processes_once_also_when_redis_did_not_hear_it_at_first(
    open_store, fragile_server
):
    stores = [await open_store(fragile_server.url) for _ in range(2)]
    memories = [Denied(10, lambda: 0) for _ in stores]
    refunds = [Refunds(denied) for denied in memories]
    refused = Verdict(allowed=False, now_ms=0, readings=(Reading(0, YEAR),))

    async def turn():
        for denied in memories:
            denied.learn(denied.now(), CHARGE, refused)
        for store, one in zip(stores, refunds, strict=True):
            await poll(store, "g", [one])
        return [len(denied) for denied in memories]

    assert await turn() == [1, 1]
    given_back = DeniedFirst(stores[1], memories[1])
    await given_back.decide([CHARGE[0]._replace(mode="give_back")])
    fragile_server.freeze()
    with pytest.raises(StoreUnavailableError):
        await poll(await open_store(fragile_server.url, 0.05), "g", [refunds[1]])
    fragile_server.thaw()
    assert await turn() == [1, 0]
    assert await turn() == [0, 1]
    assert await turn() == [1, 1]


async def test_a_flush_of_everything_starts_the_counters_over_and_nothing_fails(open_store, fragile_server):
    store = await open_store(fragile_server.url)
    assert (await store.decide(CHARGE)).allowed
    await fragile_server.command("FLUSHALL")
    await fragile_server.command("SCRIPT", "FLUSH")
    verdict = await store.decide(CHARGE)
    assert verdict.allowed
    assert verdict.readings[0].room == 5


async def test_a_connection_that_nobody_waits_for_any_more_fails_without_a_word(
    open_store, fragile_server, monkeypatch, caplog
):
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.2)
    fragile_server.freeze()
    store = await open_store(f"unix://:pw@{fragile_server.socket}", 0.05)  # whoever logs in waits for an answer
    await asyncio.sleep(0.3)
    await store.close()
    del store
    gc.collect()
    assert {record.name for record in caplog.records} == {"ratelimit_svc.breaker"}


async def test_closing_during_an_outage_leaves_no_task_behind(open_store, fragile_server):
    store = await open_store(fragile_server.url, DEADLINE)
    fragile_server.freeze()
    waiting = asyncio.create_task(store.decide(CHARGE))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
