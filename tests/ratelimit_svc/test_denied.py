"""Refused calls are answered from memory until they would fit, exactly as the store would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratelimit_svc.denied import MOST_CHARGES, Denied, DeniedFirst
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.store import Charge, Terms

TERMS = Terms("fixed_window", 2, 1000)
CHARGE = Charge("k", TERMS, 1)


class Counting:
    """A store that tells how often it was asked."""

    def __init__(self, store):
        self.store, self.asked = store, 0

    async def decide(self, charges):
        self.asked += 1
        return await self.store.decide(charges)


class World:
    """A full counter behind the memory of refused calls, at a clock of its own."""

    def __init__(self, longest_ms=None, capacity=10):
        self.now_ms = 10_400
        self.store = Counting(LocalStore(100, lambda: self.now_ms))
        self.denied = Denied(capacity, lambda: self.now_ms, longest_ms)
        self.first = DeniedFirst(self.store, self.denied)

    async def fill(self, charge=CHARGE):
        while (await self.first.decide([charge])).allowed:
            pass
        self.store.asked = 0
        return self


async def test_a_refused_call_is_not_asked_again_until_it_would_fit():
    world = await World().fill()
    for _ in range(100):
        assert not (await world.first.decide([CHARGE])).allowed
    assert world.store.asked == 0
    for world.now_ms in (10_401, 10_999):
        told = await world.first.decide([CHARGE])
        assert (told.allowed, told.readings[0].until_ms) == (False, 11_000 - world.now_ms)
    assert world.store.asked == 0
    world.now_ms = 11_000
    assert (await world.first.decide([CHARGE])).allowed
    assert world.store.asked == 1


async def test_of_two_full_limits_the_store_is_asked_again_when_the_first_has_room():
    world = World()
    charges = [Charge("short", Terms("fixed_window", 1, 1000), 1), Charge("long", Terms("fixed_window", 1, 60_000), 1)]
    assert (await world.first.decide(charges)).allowed
    assert not (await world.first.decide(charges)).allowed
    world.now_ms = 11_000
    short, long = (await world.first.decide(charges)).readings
    assert (short.room, long.room) == (1, 0)


calls = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=3), st.integers(0, 300)),
    max_size=60,
)


@given(
    calls=calls,
    algorithm=st.sampled_from(["fixed_window", "sliding_window"]),
    limits=st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
@settings(max_examples=200, deadline=None)
async def test_it_refuses_and_admits_as_the_store_alone_does(calls, algorithm, limits):
    world, twin = World(), World()
    for asked, pause_ms in calls:
        charges = [Charge(f"k{n}", Terms(algorithm, limits[n], 700), hits) for n, hits in dict(asked).items()]
        told, alone = await world.first.decide(charges), await twin.store.decide(charges)
        assert told.allowed == alone.allowed
        assert told.now_ms == alone.now_ms
        world.now_ms += pause_ms
        twin.now_ms += pause_ms


@pytest.mark.parametrize(
    "other",
    [
        CHARGE._replace(hits=2),
        CHARGE._replace(terms=TERMS._replace(requests=5)),
        CHARGE._replace(key="other"),
    ],
    ids=["hits", "a changed limit", "another caller"],
)
async def test_another_call_is_asked_about(other):
    world = await World().fill()
    await world.first.decide([other])
    assert world.store.asked == 1


@pytest.mark.parametrize("change", [{"mode": "always"}, {"lease": "x"}], ids=["counts refused", "gets back"])
async def test_nothing_is_remembered_of_what_a_refusal_changes_or_a_stream_frees(change):
    changed = CHARGE._replace(**change)
    world = await World().fill(changed)
    for call in ([changed], [changed, CHARGE._replace(key="other")]):
        world.store.asked = 0
        await world.first.decide(call)
        await world.first.decide(call)
        assert (world.store.asked, len(world.denied)) == (2, 0)


async def test_what_is_given_back_may_be_had_at_once_whatever_else_the_call_is_about():
    world = await World().fill()
    back = [CHARGE._replace(mode="give_back"), Charge("other", TERMS, 1, "add")]
    assert not (await world.first.decide([CHARGE])).allowed
    await world.first.decide(back)
    assert (await world.first.decide([CHARGE])).allowed


async def test_forgetting_asks_again_and_spares_no_answer_that_was_under_way():
    world = await World().fill()
    world.denied.forget()
    asked = world.denied.now()
    verdict = await world.store.decide([CHARGE])
    world.denied.forget()  # while Redis answered
    world.denied.learn(asked, [CHARGE], verdict)
    assert len(world.denied) == 0


async def test_in_a_cluster_a_refusal_is_believed_for_a_moment_only():
    world = await World(longest_ms=100).fill()
    world.now_ms += 99
    await world.first.decide([CHARGE])
    assert world.store.asked == 0
    world.now_ms += 1
    await world.first.decide([CHARGE])
    assert world.store.asked == 1


@pytest.mark.parametrize(("charges", "remembered"), [(MOST_CHARGES, 1), (MOST_CHARGES + 1, 0)])
async def test_a_call_about_very_many_counters_is_not_remembered(charges, remembered):
    world = World()
    assert not (await world.first.decide([Charge(f"{n}", TERMS, 3) for n in range(charges)])).allowed
    assert len(world.denied) == remembered


async def test_memory_is_bounded_and_the_longest_unused_goes_first():
    world = World(capacity=3)
    none = Terms("fixed_window", 0, 1000)
    for name in "abc":
        await world.first.decide([Charge(name, none, 1)])
    await world.first.decide([Charge("a", none, 1)])
    await world.first.decide([Charge("d", none, 1)])
    assert len(world.denied) == 3
    world.store.asked = 0
    await world.first.decide([Charge("a", none, 1)])
    assert world.store.asked == 0
    await world.first.decide([Charge("b", none, 1)])
    assert world.store.asked == 1
