"""Many callers, many values, and new revisions meanwhile."""

import asyncio
import itertools
import tracemalloc

import pytest

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.denied import Denied, DeniedFirst
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Limit, Policy, Rate
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import Charge, Terms
from tests.ratelimit_svc.conftest import a_limit

YEAR = 365 * 86_400_000
_numbers = itertools.count()


def held_to(algorithm: str, requests: int) -> Limit:
    """A limit that does not move on while a test runs."""
    if algorithm == "quota":
        rate = Rate(requests=requests, window_ms=31 * 86_400_000, period="month")
    else:
        burst = {"burst": requests} if algorithm == "leaky_bucket" else {}
        rate = Rate(requests=requests, window_ms=YEAR, **burst)
    return Limit(algorithm=algorithm, rates=(rate,), per=("user",))


def descriptor(name: str, user: str, revision: str = "r0", hits: int = 1) -> Descriptor:
    """One of a request of its own."""
    lease = (("lease", f"request {next(_numbers)}"),) if name == "concurrency" else ()
    return Descriptor((("limit", name), ("revision", revision), ("user", user), *lease), hits)


async def test_of_200_callers_of_two_replicas_exactly_the_number_of_each_limit_is_admitted(server, open_store, book):
    await server.command("FLUSHALL")
    policies = book(Policy(revision="r0", gateway="g", limits={name: held_to(name, 77) for name in ALGORITHMS}))
    replicas = [
        Limiter(policies, DeniedFirst(await open_store(server.url), Denied(100, lambda: 0)), LocalStore(1))
        for _ in range(2)
    ]

    async def admitted(name: str) -> int:
        calls = (replicas[number % 2].decide("g", [descriptor(name, "alice")]) for number in range(200))
        return sum(decision.allowed for decision in await asyncio.gather(*calls))

    assert dict(zip(ALGORITHMS, await asyncio.gather(*map(admitted, ALGORITHMS)), strict=True)) == dict.fromkeys(
        ALGORITHMS, 77
    )


async def test_new_revisions_under_load_neither_reset_a_counter_nor_admit_more(server, open_store, book, tmp_path):
    await server.command("FLUSHALL")
    numbers = [90, 120, 60, 200, 90]
    revisions = [
        Policy(revision=f"r{number}", gateway="g", limits={name: held_to(name, most) for name in ALGORITHMS})
        for number, most in enumerate(numbers)
    ]
    policies = book(revisions[0])
    limiter = Limiter(policies, DeniedFirst(await open_store(server.url), Denied(100, lambda: 0)), LocalStore(1))
    admitted = dict.fromkeys(ALGORITHMS, 0)
    for policy in revisions:
        (tmp_path / "current" / "limits.json").write_text(policy.model_dump_json())
        previous, callers = policies.current.revision, range(40)
        # Envoy still sends the revision before while the new one is loaded
        calls = [
            asyncio.create_task(limiter.decide("g", [descriptor(name, "alice", previous)]))
            for name in ALGORITHMS
            for _ in callers
        ]
        await asyncio.sleep(0)
        assert policies.refresh() or policy is revisions[0]
        calls += [
            asyncio.create_task(limiter.decide("g", [descriptor(name, "alice", revision)]))
            for name in ALGORITHMS
            for revision in (previous, policy.revision)
            for _ in callers
        ]
        for decision in await asyncio.gather(*calls):
            admitted[decision.statuses[0].name] += decision.allowed
        highest = max(numbers[: int(policy.revision[1:]) + 1])
        assert all(count <= highest for count in admitted.values()), admitted
    assert admitted == dict.fromkeys(ALGORITHMS, 200)


async def test_values_that_never_come_again_take_no_more_memory_than_there_are_counters_for(book):
    limit = a_limit(1, 60_000, per=("header.x-tenant",))
    store, denied = LocalStore(100, lambda: 0), Denied(100, lambda: 0)
    limiter = Limiter(
        book(Policy(revision="r0", gateway="g", limits={"each": limit})), DeniedFirst(store, denied), store
    )

    async def come(first: int, last: int) -> None:
        for number in range(first, last):
            value = (("limit", "each"), ("revision", "r0"), ("header.x-tenant", f"{number}" * 20))
            await limiter.decide("g", [Descriptor(value, 1)])
            await limiter.decide("g", [Descriptor(value, 1)])

    await come(0, 200)
    assert (len(store), len(denied)) == (100, 100)
    tracemalloc.start()
    try:
        await come(200, 700)
        assert tracemalloc.get_traced_memory()[0] < 400_000  # what is kept was replaced
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("burst", [None, 40])
async def test_every_key_has_a_time_to_live_and_it_is_the_documented_one(server, open_store, burst):
    await server.command("FLUSHALL")
    store, window, n = await open_store(server.url), 60_000, 10
    lives = {"sliding_window": 2 * window, "quota": 86_400_000}
    for algorithm in ALGORITHMS:
        bucket = burst if algorithm.endswith("bucket") else None
        most = {"token_bucket": bucket or n, "leaky_bucket": bucket or 1}.get(algorithm, 0)
        longest = lives.get(algorithm, window + window * most // n + 1)
        terms = Terms(algorithm, n, window, bucket, "day" if algorithm == "quota" else None)
        for mode in ("take", "shadow", "always", "add", "give_back"):
            key = f"{algorithm} {mode}"
            for hits in (3, 2**31):
                await store.decide(
                    [Charge(key, terms, 2, "add", "another"), Charge(key + "2", terms, hits, mode, "one")]
                )
                for each in (key, key + "2"):
                    life = await server.command("PTTL", each)
                    assert 0 <= life <= longest or life == -2, (each, life)
    keys = await server.command("KEYS", "*")
    assert len(keys) > 5 * len(ALGORITHMS)
    assert -1 not in [await server.command("PTTL", key) for key in keys]


async def test_a_request_with_a_long_name_takes_no_more_room_than_another(server, open_store):
    store, key = await open_store(server.url), "a lease with a long name"
    charge = Charge(key, Terms("concurrency", 5, 60_000), 1, lease="x" * 100_000)
    assert (await store.decide([charge])).allowed
    assert await server.command("MEMORY", "USAGE", key) < 300
    await store.decide([charge._replace(mode="give_back")])
    assert await server.command("EXISTS", key) == 0
