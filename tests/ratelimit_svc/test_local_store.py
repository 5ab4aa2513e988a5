from ratelimit_svc.local_store import LocalStore, wall_clock_ms
from ratelimit_svc.store import Charge, Terms

TWO = Terms("sliding_window", 2, 60_000)


async def test_memory_is_bounded_and_the_counter_unused_for_longest_starts_over():
    store = LocalStore(3, lambda: 0)
    await store.decide([Charge("full", TWO, 2)])
    for number in range(2):
        await store.decide([Charge(f"k{number}", TWO, 1)])
    assert not (await store.decide([Charge("full", TWO, 1)])).allowed
    for number in range(2, 1000):
        await store.decide([Charge(f"k{number}", TWO, 1)])
    assert len(store) == 3
    assert (await store.decide([Charge("full", TWO, 1)])).allowed


async def test_who_comes_again_is_not_the_one_to_go():
    store = LocalStore(2, lambda: 0)
    for name in ("a", "b", "a", "c"):
        assert (await store.decide([Charge(name, TWO, 1)])).allowed
    assert not (await store.decide([Charge("a", TWO, 1)])).allowed


async def test_a_refused_call_and_a_look_store_nothing():
    store = LocalStore(10, lambda: 0)
    assert not (await store.decide([Charge("a", TWO, 1), Charge("b", TWO, 3)])).allowed
    assert (await store.decide([Charge("a", TWO, 0)])).allowed
    assert len(store) == 0


async def test_the_limit_is_enforced_and_comes_back_with_the_next_windows():
    now = [0]
    store = LocalStore(10, lambda: now[0])
    assert [(await store.decide([Charge("a", TWO, 1)])).allowed for _ in range(3)] == [True, True, False]
    now[0] = 120_000
    assert (await store.decide([Charge("a", TWO, 2)])).allowed


def test_its_windows_are_those_of_the_wall_clock():
    assert wall_clock_ms() > 1_700_000_000_000
