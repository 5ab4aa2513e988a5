"""The store on a Redis Cluster of real servers: exact over its nodes, and while slots and masters move."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from redis.asyncio.cluster import NodesManager

from ratelimit_svc.adaptive.law import NOTHING
from ratelimit_svc.adaptive.sharing import Levels, key_of
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis.slots import slot_of
from ratelimit_svc.store import Charge, StoreUnavailableError, Terms
from serving.redis_clients import client as client_of
from tests.neighbours import work_with
from tests.ratelimit_svc.adaptive.test_sharing import come_down, exchange
from tests.redis_worlds import RIGHTS_IN_A_CLUSTER, RIGHTS_OF_OTHERS, Cluster, Server, running, slot_owner, until

YEAR = 365 * 86_400_000
_numbers = itertools.count()


def fresh(name: str = "") -> str:
    """A key no test has used, in any slot; those of one ``name`` share theirs."""
    return f"gatectl:rl:{{{name or next(_numbers)}}}:{next(_numbers)}"


def charge(requests: int, key: str = "", hits: int = 1) -> Charge:
    return Charge(key or fresh(), Terms("fixed_window", requests, YEAR), hits)


def on(cluster: Cluster, server: Server) -> str:
    """A fresh key whose slot is this server's."""
    return next(key for key in iter(fresh, "") if slot_owner(cluster.masters, slot_of(key)) is server)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
async def stores(cluster, open_store):
    return [await open_store(cluster.url, 2) for _ in range(2)]


async def used(store, one: Charge) -> int:
    [reading] = (await store.decide([one._replace(hits=0)])).readings
    return one.terms.requests - reading.room


async def test_of_concurrent_calls_for_many_callers_each_gets_exactly_the_limit(stores):
    charges = [charge(7) for _ in range(30)]
    assert len({slot_of(one.key) for one in charges}) > 20
    calls = [(one, stores[turn % 2].decide([one])) for one in charges for turn in range(10)]
    verdicts = await asyncio.gather(*(call for _, call in calls))
    admitted = [one.key for (one, _), verdict in zip(calls, verdicts, strict=True) if verdict.allowed]
    assert {admitted.count(one.key) for one in charges} == {7}


async def test_a_call_about_several_slots_takes_in_all_or_in_none(stores):
    free, full = [charge(50) for _ in range(4)], charge(1)
    assert (await stores[0].decide([full])).allowed
    for call in ([*free, full], [full, *free]):
        verdict = await stores[0].decide(call)
        assert not verdict.allowed
        assert len(verdict.readings) == 5
        assert verdict.readings[call.index(full)].room == 0
    assert [await used(stores[0], one) for one in free] == [0] * 4
    assert (await stores[0].decide(free)).allowed
    assert [await used(stores[0], one) for one in free] == [1] * 4


async def test_a_frozen_node_is_waited_for_in_time_and_what_the_others_took_is_given_back(cluster, open_store):
    store, loop = await open_store(cluster.url, 0.15), asyncio.get_running_loop()
    well, frozen = charge(50, on(cluster, cluster.masters[0])), charge(50, on(cluster, cluster.masters[1]))
    assert (await store.decide([well, frozen])).allowed
    cluster.masters[1].freeze()
    try:
        started = loop.time()
        with pytest.raises(StoreUnavailableError):
            await store.decide([well, frozen])
        assert loop.time() - started < 0.15 + 0.15
        await asyncio.to_thread(until, lambda: cluster.masters[0].ask("GET", well.key).endswith(" 1"))
        assert (await store.decide([well])).allowed
    finally:
        cluster.masters[1].thaw()


async def test_what_is_charged_even_to_a_refused_call_stays_charged(stores):
    always, full = charge(50)._replace(mode="always"), charge(0)
    assert not (await stores[0].decide([always, full])).allowed
    assert await used(stores[0], always) == 1


async def test_concurrent_calls_about_two_slots_never_admit_more_than_either_allows(stores):
    narrow, wide = charge(20), charge(25)
    verdicts = await asyncio.gather(
        *(stores[turn % 2].decide([narrow, wide] if turn % 3 else [wide]) for turn in range(90))
    )
    both = sum(verdict.allowed for turn, verdict in enumerate(verdicts) if turn % 3)
    alone = sum(verdict.allowed for turn, verdict in enumerate(verdicts) if not turn % 3)
    assert both <= 20
    assert both + alone <= 25
    assert await used(stores[0], narrow) == both  # what was taken for nothing was given back
    assert await used(stores[0], wide) == both + alone


async def test_a_slot_that_moves_under_load_neither_resets_a_counter_nor_admits_extra(cluster, stores):
    tag = f"moving-{next(_numbers)}"
    rates = [charge(1000, fresh(tag)), charge(10_000, fresh(tag))]  # some keys here, some there in between
    slot = slot_of(rates[0].key)
    source = slot_owner(cluster.masters, slot)
    target = next(server for server in cluster.masters if server is not source)
    answers: list[bool] = []
    stop = asyncio.Event()

    async def hammer(store):
        while not stop.is_set():
            answers.append((await store.decide(rates)).allowed)
            await asyncio.sleep(0.001)

    def meet() -> None:
        seen = len(answers)
        until(lambda: len(answers) >= seen + 20)

    callers = [asyncio.create_task(hammer(stores[turn % 2])) for turn in range(6)]
    for owner in (target, source):  # there and back again
        await asyncio.to_thread(move_slot, cluster, slot, owner, meet)
    stop.set()
    await asyncio.gather(*callers)
    assert len(answers) > 150
    assert all(answers[:900])  # and nobody is refused for nothing
    rest = await asyncio.gather(*(stores[0].decide(rates) for _ in range(1000)))
    assert sum(answers) + sum(verdict.allowed for verdict in rest) == 1000
    assert [await used(stores[1], one) for one in rates] == [1000, 1000]


def move_slot(cluster: Cluster, slot: int, target: Server, meet: Callable[[], None]) -> None:
    """As redis-cli --cluster reshard does, key by key; calls ``meet`` every state in between."""
    source = slot_owner(cluster.masters, slot)
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(source))
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(target))
    meet()
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
        source.ask("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 5000)
        meet()
    for server in (target, source):
        server.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(target))
    meet()


async def test_to_find_the_nodes_may_take_longer_than_a_caller_waits(cluster, monkeypatch):
    find = NodesManager.initialize

    async def slow(*known, **told):
        await asyncio.sleep(0.15)
        await find(*known, **told)

    monkeypatch.setattr(NodesManager, "initialize", slow)
    client, answers = client_of(cluster.url, 2), []
    async with asyncio.timeout(5):
        while not answers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    answers.append(await client.get("gatectl:x"))
    await client.aclose()


async def test_keys_revocations_failures_and_status_are_there_too_with_the_rights_that_are_documented(cluster):
    for server in cluster.servers:
        server.ask("ACL", "SETUSER", "other", "on", ">pw", *RIGHTS_OF_OTHERS, *RIGHTS_IN_A_CLUSTER)
    await work_with(cluster.url.replace("//", "//other:pw@"))


async def test_while_a_master_is_gone_the_others_decide_and_its_replica_goes_on_counting(cluster, open_store):
    """Its own limits fall back to a fifth, which is charged to the replica before anybody is sent there."""
    fallback = Fallback(LocalStore(10), 10, lambda: 5)
    store = await open_store(cluster.url, 2, fallback)
    first, second = cluster.masters[:2]
    lost, kept = charge(10, on(cluster, first)), charge(10**6, on(cluster, second))
    for _ in range(4):
        assert (await store.decide([lost])).allowed
    gateway = lost.key.split("{")[1].split("}")[0]  # the levels of its adaptive limits are on this node
    levels = [Levels(each, 1) for each in (store, await open_store(cluster.url, 2))]
    before = await come_down(levels, gateway)
    assert first.ask("WAIT", 1, 5000) == 1
    first.kill()
    fell_back = []
    async with asyncio.timeout(15):
        while True:
            assert (await store.decide([kept])).allowed
            try:
                assert (await store.decide([lost])).allowed
                break
            except StoreUnavailableError:
                fell_back.append((await fallback.decide([lost])).allowed)
                assert await exchange(levels[:1], gateway, NOTHING) == before
            await asyncio.sleep(0.02)
    assert sum(fell_back) == 2
    assert sum([(await store.decide([lost])).allowed for _ in range(10)]) == 10 - 4 - 2 - 1
    assert await exchange(levels, gateway, NOTHING) == before
    assert cluster.replica.ask("HGET", key_of(gateway, "a"), "state").startswith(f"[{before.pop()},")
    # who is gone is no longer part of it
    await asyncio.to_thread(until, lambda: REGISTRY.get_sample_value("ratelimit_store_up"))
