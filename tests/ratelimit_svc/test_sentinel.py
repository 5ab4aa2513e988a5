"""The store behind Sentinels of real servers: found whoever of them is frozen, and again after a failover."""

import asyncio

import pytest

from ratelimit_svc.adaptive.law import NOTHING
from ratelimit_svc.adaptive.sharing import Levels, key_of
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Policy
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import Charge, StoreUnavailableError, Terms
from serving.redis_clients import Sentinels
from serving.redis_location import parse
from tests.neighbours import work_with
from tests.ratelimit_svc.adaptive.test_sharing import come_down, exchange
from tests.ratelimit_svc.conftest import a_limit
from tests.redis_worlds import RIGHTS_OF_OTHERS, Watched, running

LIMIT, PROCESSES, YEAR = 60, 4, 365 * 86_400_000
CALL = [Descriptor((("limit", "per-user"), ("revision", "r1"), ("user", "alice")), 1)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with running(Watched(tmp_path_factory.mktemp("sentinel"))) as world:
        yield world


async def test_a_frozen_sentinel_holds_nothing_up(watched, open_store):
    for sentinel in watched.sentinels[:2]:
        sentinel.freeze()
    try:
        store = await open_store(watched.url, 0.3)
        assert store.breaker.closed
        one = Charge("gatectl:rl:{frozen}", Terms("fixed_window", 5, YEAR), 1)
        assert (await store.decide([one])).allowed
    finally:
        for sentinel in watched.sentinels[:2]:
            sentinel.thaw()


async def test_a_name_that_no_sentinel_knows_is_away(watched, open_store):
    store = await open_store(watched.url.replace("/shop", "/other"), 0.3)
    assert not store.breaker.closed
    with pytest.raises(StoreUnavailableError):
        await store.decide([])


async def test_many_connections_may_ask_for_the_master_at_once(watched):
    sentinels = Sentinels(parse(watched.url), 2)

    async def ask(turn):
        await asyncio.sleep(turn / 2000)  # one is done while another asks
        return await sentinels.discover_master("shop")

    found = await asyncio.gather(*(ask(turn) for turn in range(100)))
    assert set(found) == {("127.0.0.1", watched.servers[0].port)}


async def test_keys_revocations_failures_and_status_are_there_too_with_the_rights_that_are_documented(watched):
    watched.servers[0].ask("ACL", "SETUSER", "other", "on", ">pw", *RIGHTS_OF_OTHERS)
    await work_with(watched.url.replace("//:pw@", "//other:pw@"))


async def test_over_a_failover_no_more_is_admitted_than_stated_and_the_replica_goes_on_counting(
    watched, open_store, book
):
    """Two of n processes are played. The replica has all that was counted: what it lags behind would come on top."""
    policy = Policy(revision="r1", gateway="g", limits={"per-user": a_limit(LIMIT, YEAR)})
    fallbacks = [Fallback(LocalStore(10), 10, lambda: PROCESSES) for _ in range(2)]
    stores = [await open_store(watched.url, 0.1, fallback) for fallback in fallbacks]
    limiters = [Limiter(book(policy), *pair) for pair in zip(stores, fallbacks, strict=True)]
    outcomes: list[str] = []

    async def call(turns):
        outcomes.extend([(await limiters[turn % 2].decide("g", CALL)).outcome for turn in range(turns)])

    levels = [Levels(store, 1) for store in stores]
    before = await come_down(levels, "g")
    await call(20)
    old, new = watched.servers
    assert old.ask("WAIT", 1, 5000) == 1
    old.kill()
    async with asyncio.timeout(20):
        for closed in (False, True):
            while any(store.breaker.closed != closed for store in stores):
                await call(2)
                assert await exchange(levels, "g", NOTHING) == before
                await asyncio.sleep(0.01)
    await call(LIMIT)
    share = LIMIT // PROCESSES
    fell_back = outcomes.count("fallback_ok")
    assert 0 < fell_back <= 2 * share
    # what was admitted meanwhile was charged to the new master before it decided again
    assert outcomes.count("ok") == LIMIT - fell_back
    assert outcomes[-1] == "over_limit"
    assert new.ask("ROLE")[0] in {"master", b"master"}
    assert await exchange(levels, "g", NOTHING) == before
    assert new.ask("HGET", key_of("g", "a"), "state").startswith(f"[{before.pop()},")
