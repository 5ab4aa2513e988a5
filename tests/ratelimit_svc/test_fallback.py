"""The share of a limit while Redis is away, what is charged when it is back, and the bound on it all."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratelimit_svc.fallback import Fallback, share
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import BUCKETS
from ratelimit_svc.redis.slots import slot_of
from ratelimit_svc.store import Charge, Terms
from tests.ratelimit_svc.oracle import largest
from tests.ratelimit_svc.test_bounds import BOUNDED

WINDOW_MS = 1000
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 4), st.integers(1, 3)),
        st.sampled_from([("away",), ("back",), ("loses",)]),
        st.tuples(st.just("later"), st.integers(1, 700)),
    ),
    max_size=120,
)


@dataclass
class World:
    """n processes and a Redis that comes and goes, under one clock."""

    terms: Terms
    processes: int
    now_ms: int = 10**12
    away: bool = False
    admitted: list[int] = field(default_factory=list)
    losses: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.redis = LocalStore(10, lambda: self.now_ms)
        self.fallbacks = [
            Fallback(LocalStore(10, lambda: self.now_ms), 10, lambda: self.processes) for _ in range(self.processes)
        ]

    def store(self, process):
        return self.fallbacks[process % self.processes] if self.away else self.redis

    async def call(self, process, hits):
        if (await self.store(process).decide([Charge("k", self.terms, hits)])).allowed:
            self.admitted += [self.now_ms] * hits

    async def stream(self, process, lease, mode="take"):
        return (await self.store(process).decide([Charge("k", self.terms, 1, mode, lease)])).allowed

    async def come_back(self):
        self.away = False
        for fallback in self.fallbacks:
            while owed := fallback.take(1, lambda _: True):
                await self.redis.decide(owed)

    def lose(self):
        self.losses.append(self.now_ms)
        self.redis = LocalStore(10, lambda: self.now_ms)

    async def live(self, steps):
        for what, *how in steps:
            if what == "call":
                await self.call(*how)
            elif what == "later":
                self.now_ms += how[0]
            elif what == "away":
                self.away = True
            elif what == "loses":
                self.lose()
            else:
                await self.come_back()


@given(limit=st.integers(0, 12), processes=st.integers(1, 5), steps=steps)
@settings(max_examples=300, deadline=None)
async def test_no_window_admits_more_than_stated_however_often_redis_goes_and_comes(limit, processes, steps):
    world = World(Terms("fixed_window", limit, WINDOW_MS), processes)
    await world.live(steps)
    admitted = [now_ms // WINDOW_MS for now_ms in world.admitted]
    losses = [now_ms // WINDOW_MS for now_ms in world.losses]
    share_of_all = processes * -(-limit // processes)
    assert share_of_all <= limit + processes - 1
    for window in set(admitted):
        # once with Redis, once without, and once more whenever it lost its counters
        assert admitted.count(window) <= limit * (1 + losses.count(window)) + share_of_all


@pytest.mark.parametrize("name", BOUNDED)
@given(limit=st.integers(0, 12), burst=st.none() | st.integers(1, 15), processes=st.integers(1, 5), steps=steps)
@settings(deadline=None)
async def test_nor_does_any_trailing_window_by_what_each_algorithm_admits_in_one(name, limit, burst, processes, steps):
    terms = Terms(name, limit, WINDOW_MS, burst if name in BUCKETS else None)
    world = World(terms, processes)
    await world.live(steps)
    for first in set(world.admitted):
        trailing = range(first, first + WINDOW_MS)
        lost = sum(moment in trailing for moment in world.losses)
        admitted = sum(moment in trailing for moment in world.admitted)
        assert admitted <= largest(terms) * (1 + lost) + processes * largest(share(terms, processes))


@given(
    limit=st.integers(0, 6),
    processes=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.just("begins"), st.integers(0, 3))
        | st.tuples(st.just("ends"), st.integers(0, 99), st.integers(0, 3))
        | st.sampled_from([("away",), ("back",), ("loses",)]),
        max_size=80,
    ),
)
@settings(max_examples=200, deadline=None)
async def test_no_more_streams_are_under_way_than_stated_and_when_they_end_all_leases_are_free(limit, processes, steps):
    terms = Terms("concurrency", limit, WINDOW_MS)
    world = World(terms, processes)
    under_way: list[str] = []
    for number, (what, *how) in enumerate(steps):
        if what == "begins":
            if await world.stream(how[0], str(number)):
                under_way.append(str(number))
        elif what == "ends" and under_way:  # Envoy may tell it to another process than it asked
            await world.stream(how[1], under_way.pop(how[0] % len(under_way)), "give_back")
        else:
            await world.live([(what,)] if what != "ends" else [])
        assert len(under_way) <= limit * (1 + len(world.losses)) + processes * -(-limit // processes)
    await world.come_back()
    while under_way:
        await world.stream(0, under_way.pop(), "give_back")
    assert sum([await world.stream(0, f"new {turn}") for turn in range(limit + 1)]) == limit


@pytest.mark.parametrize("processes", [1, 3])
async def test_one_outage_in_which_redis_loses_everything_costs_no_more_than_one_in_which_it_does_not(processes):
    world = World(Terms("fixed_window", 12, WINDOW_MS), processes)
    for process in range(20):
        await world.call(process, 1)
    world.away = True
    world.lose()
    for process in range(40):
        await world.call(process, 1)
    await world.come_back()
    for process in range(20):
        await world.call(process, 1)
    assert len(world.admitted) == 12 + 12


async def admitted(store, charge: Charge, calls: int) -> int:
    return sum([(await store.decide([charge])).allowed for _ in range(calls)])


@pytest.mark.parametrize(("limit", "processes", "each"), [(10, 1, 10), (10, 3, 4), (10, 20, 1), (0, 3, 0)])
async def test_each_process_admits_its_share_rounded_up(limit, processes, each):
    fallback = Fallback(LocalStore(10, lambda: 0), 10, lambda: processes)
    assert await admitted(fallback, Charge("k", Terms("fixed_window", limit, 1000), 1), 20) == each


def test_a_burst_is_shared_too():
    assert share(Terms("fixed_window", 100, 1000, burst=5), 4) == Terms("fixed_window", 25, 1000, burst=2)


async def test_what_was_admitted_is_owed_once_in_bounded_batches_and_may_be_put_back():
    fallback = Fallback(LocalStore(100, lambda: 0), 100, lambda: 1)
    charges = [Charge(f"k{n}", Terms("fixed_window", 5, 1000), 2) for n in range(10)]
    for charge in charges:
        assert await admitted(fallback, charge, 3) == 2
    first = fallback.take(4, lambda _: True)
    assert [(one.hits, one.mode, one.terms.requests) for one in first] == [(4, "add", 5)] * 4
    fallback.put_back(first)
    mine = fallback.take(100, {slot_of("k1"), slot_of("k9")}.__contains__)
    assert sorted(one.key for one in mine) == ["k1", "k9"]
    assert len(fallback.take(100, lambda _: True)) == 8
    assert fallback.take(100, lambda _: True) == []
    assert fallback.owing == 0
    assert await admitted(fallback, charges[0], 3) == 0  # paid, and still used: going and coming opens nothing


async def test_what_others_are_owed_is_not_looked_through():
    fallback = Fallback(LocalStore(5000, lambda: 0), 5000, lambda: 1)
    for number in range(5000):
        await fallback.decide([Charge(f"{{{number % 10}}}{number}", Terms("fixed_window", 5, 1000), 1)])
    asked = []
    assert fallback.take(100, asked.append) == []
    assert sorted(asked) == sorted(slot_of(f"{{{tag}}}") for tag in range(10))
    assert len(fallback.take(4000, {slot_of("{3}")}.__contains__)) == 500


async def test_what_no_longer_counts_is_not_owed_and_what_was_given_back_neither():
    now = [0]
    fallback = Fallback(LocalStore(10, lambda: now[0]), 10, lambda: 1)
    charge = Charge("k", Terms("fixed_window", 5, 1000), 2)
    await fallback.decide([charge])
    await fallback.decide([charge._replace(mode="give_back", hits=1)])
    [owed] = fallback.take(1, lambda _: True)
    assert owed.hits == 1
    fallback.put_back([owed])
    now[0] = 1000
    assert fallback.take(1, lambda _: True) == []


async def test_refused_calls_owe_nothing_and_memory_is_bounded():
    fallback = Fallback(LocalStore(5, lambda: 0), 5, lambda: 1)
    await fallback.decide([Charge("full", Terms("fixed_window", 0, 1000), 1)])
    assert fallback.owing == 0
    await asyncio.gather(*(fallback.decide([Charge(f"k{n}", Terms("fixed_window", 5, 1000), 1)]) for n in range(50)))
    assert fallback.owing == 5
    assert sorted(one.key for one in fallback.take(9, lambda _: True)) == [f"k{n}" for n in range(45, 50)]


async def test_what_was_paid_is_not_owed_again_and_a_lease_is_never_owed():
    fallback = Fallback(LocalStore(5, lambda: 0), 5, lambda: 1)
    charge = Charge("k", Terms("fixed_window", 5, 1000), 2)
    for hits in (2, 1):
        await fallback.decide(
            [charge._replace(hits=hits), Charge("l", Terms("concurrency", 5, 1000), 1, lease=f"{hits}")]
        )
        assert [(one.key, one.hits) for one in fallback.take(9, lambda _: True)] == [("k", hits)]
