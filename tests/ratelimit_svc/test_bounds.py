"""No trailing window admits more than docs/rate-limits.md says of the algorithm, and it does admit that much.

First with a clock of the test's own, all of it; then on real servers with what really arrived, from two replicas whose
clocks are hours apart.
"""

import asyncio
import contextvars
import datetime as dt
import random
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratelimit_svc import algorithms
from ratelimit_svc.algorithms import ALGORITHMS, calendar
from ratelimit_svc.local_store import LocalStore, wall_clock_ms
from ratelimit_svc.policy import BUCKETS
from ratelimit_svc.redis import script
from ratelimit_svc.store import Charge, Terms
from tests.ratelimit_svc.oracle import largest, left, most_at_a_time, worst

BOUNDED = [name for name in ALGORITHMS if name not in {"concurrency", "quota"}]
T0 = 1_800_000_000_000
HOUR = 3_600_000
WINDOW = 48
SPRING = round(dt.datetime.fromisoformat("2026-03-28T21:00:00+01:00").timestamp() * 1000)
"""The evening before a day of 23 hours in Berlin."""


def greedy(terms: Terms, offset: int) -> list[tuple[int, int]]:
    """What is admitted when nothing is asked for ``offset`` ms, and then all there is in every millisecond."""
    algorithm, start, state = ALGORITHMS[terms.algorithm], T0 // terms.window_ms * terms.window_ms, None
    admitted = []
    for now in range(start + offset, start + offset + 2 * terms.window_ms + 1):
        charge = Charge("k", terms, 1)
        state = algorithm.roll(charge, state, now)
        room = algorithm.room(charge, state, now)
        if room > 0:
            state = algorithm.add(charge, state, now, room)
            admitted.append((now, room))
    return admitted


@pytest.mark.parametrize("name", BOUNDED)
def test_whoever_takes_all_he_can_at_the_worst_moment_gets_exactly_the_bound(name):
    for requests in (1, 2, 3, 7, 20, 50):
        for window in (1, 2, 3, 5, 8, 13):
            for burst in (None, 1, 4, 60) if name in BUCKETS else (None,):
                terms = Terms(name, requests, window, burst)
                assert max(worst(greedy(terms, offset), window) for offset in range(window)) == largest(terms), terms


@pytest.mark.parametrize("name", BOUNDED)
@given(
    requests=st.integers(0, 12),
    window=st.integers(1, 24),
    burst=st.none() | st.integers(1, 15),
    calls=st.lists(
        st.tuples(
            st.integers(0, 3) | st.integers(0, 40),
            st.integers(1, 6) | st.just(12),
            st.sampled_from(["take", "take", "take", "take", "shadow", "always", "add"]),
        ),
        max_size=60,
    ),
)
async def test_no_pattern_of_calls_gets_more_than_the_bound(name, requests, window, burst, calls):
    terms = Terms(name, requests, window, burst if name in BUCKETS else None)
    now, admitted = T0, []
    store = LocalStore(1, lambda: now)
    for step, hits, mode in calls:
        now += step
        verdict = await store.decide([Charge("k", terms, hits, mode)])
        if verdict.allowed and mode in {"take", "always"}:
            admitted.append((now, hits))
    assert worst(admitted, window) <= largest(terms)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "concurrency"])
@given(
    requests=st.integers(0, 12),
    window=st.integers(1, 24),
    burst=st.none() | st.integers(1, 15),
    calls=st.lists(
        st.tuples(st.integers(0, 3) | st.sampled_from([23, 24, 40]), st.integers(0, 6) | st.just(12)), max_size=40
    ),
)
@settings(max_examples=60)
async def test_every_decision_is_what_the_record_of_those_before_says(name, requests, window, burst, calls):
    unit = 1 if name != "quota" else HOUR // 2  # days go by in half hours
    period, zone = ("day", "Europe/Berlin") if name == "quota" else (None, "UTC")
    terms = Terms(name, requests, window, burst if name in BUCKETS else None, period, zone)
    now, admitted = SPRING if name == "quota" else T0, []
    store = LocalStore(1, lambda: now)
    for step, hits in calls:
        now += step * unit
        verdict = await store.decide([Charge("k", terms, hits)])
        assert verdict.readings[0].room == left(terms, admitted, now)
        assert verdict.allowed == (left(terms, admitted, now) >= max(hits, 1))
        if verdict.allowed and hits:
            admitted.append((now, hits))


@given(
    requests=st.integers(1, 9),
    minutes=st.lists(st.integers(0, 90), min_size=1, max_size=80),
    start=st.sampled_from(["2026-03-28T00:00:00+01:00", "2026-10-24T00:00:00+02:00", "2026-06-01T00:00:00+02:00"]),
)
async def test_a_quota_admits_its_number_in_each_day_and_twice_that_in_any_23_hours(requests, minutes, start):
    terms = Terms("quota", requests, 24 * HOUR, None, "day", "Europe/Berlin")
    now = round(dt.datetime.fromisoformat(start).timestamp() * 1000)
    store, admitted, days = LocalStore(1, lambda: now), [], {}
    for minute in minutes:
        now += minute * 60_000
        if (await store.decide([Charge("k", terms, 1)])).allowed:
            admitted.append((now, 1))
            day = calendar.period_at("day", "Europe/Berlin", now)
            days[day] = days.get(day, 0) + 1
    assert max(days.values()) <= requests
    assert worst(admitted, 23 * HOUR) <= 2 * requests


# on real servers


skew: contextvars.ContextVar[int] = contextvars.ContextVar("skew", default=0)


@pytest.fixture
def skewed(monkeypatch):
    """The clock of a replica is as far from Redis's as ``skew`` says, and a calendar day takes ``WINDOW`` ms."""
    monkeypatch.setattr(script, "wall_clock_ms", lambda: wall_clock_ms() + skew.get())
    monkeypatch.setattr(algorithms, "boundaries", short_days)


def short_days(period: str, time_zone: str, hour: int) -> str:
    start = time.time_ns() // 1_000_000 // WINDOW - 50
    return " ".join(str((start + number) * WINDOW) for number in range(100))


RULES = {
    name: Terms(
        name,
        5 if name == "leaky_bucket" else 24,
        WINDOW,
        16 if name == "token_bucket" else None,
        "day" if name == "quota" else None,
    )
    for name in ALGORITHMS
    if name != "concurrency"
}


async def evenly(store, random_: random.Random) -> AsyncIterator[int]:
    """Calls at even distances, a few too many."""
    for _ in range(40):
        yield 5
        await asyncio.sleep(0.004)


async def in_bursts(store, random_: random.Random) -> AsyncIterator[int]:
    """Nothing for a while, then more than there is."""
    for _ in range(8):
        yield random_.choice([30, 60])
        await asyncio.sleep(random_.choice([0.0, 0.01, WINDOW / 1000]))


async def at_boundaries(store, random_: random.Random) -> AsyncIterator[int]:
    """All there is at the end of a window, all of the next at its start, and what comes back until it ends."""
    for _ in range(2):
        while not WINDOW - 6 <= (await store.decide([])).now_ms % WINDOW < WINDOW - 2:
            pass
        yield 30
        while (await store.decide([])).now_ms % WINDOW > WINDOW // 2:
            pass
        while (await store.decide([])).now_ms % WINDOW < WINDOW - 6:
            yield 12


@pytest.mark.parametrize("pattern", [evenly, in_bursts, at_boundaries])
async def test_what_two_replicas_with_wrong_clocks_admit_is_within_the_bound(server, open_store, skewed, pattern):
    replicas = [await open_store(server.url), await open_store(server.url)]
    random_, run = random.Random(11), f"{time.time_ns()}"
    recorded = {name: [] for name in RULES}

    async def call(replica: int, name: str, hits: int) -> None:
        skew.set((-7 * HOUR, 5 * HOUR)[replica])
        verdict = await replicas[replica].decide([Charge(f"gatectl:rl:{{bounds}}:{run}:{name}", RULES[name], hits)])
        if verdict.allowed:
            recorded[name].append((verdict.now_ms, hits))

    async for calls in pattern(replicas[0], random_):
        asked = [(number % 2, name, 1 + (number % 7 == 6)) for number in range(calls) for name in RULES]
        await asyncio.gather(*(call(*each) for each in asked))
    for name, terms in RULES.items():
        assert 0 < worst(recorded[name], WINDOW) <= largest(terms), name


async def test_at_the_worst_moment_the_bound_is_nearly_reached_on_a_real_server(server, open_store, skewed):
    store, seen = await open_store(server.url), dict.fromkeys(RULES, 0)
    wanted = {name: largest(terms) * 3 / 4 for name, terms in RULES.items()}  # more than ``requests``, where it is
    for _ in range(30):
        keys, recorded = (
            {name: f"gatectl:rl:{{worst}}:{time.time_ns()}:{name}" for name in RULES},
            {name: [] for name in RULES},
        )

        async for calls in at_boundaries(store, random.Random(0)):
            names = [name for name in RULES for _ in range(calls)]
            verdicts = await asyncio.gather(*(store.decide([Charge(keys[name], RULES[name], 1)]) for name in names))
            for name, verdict in zip(names, verdicts, strict=True):
                if verdict.allowed:
                    recorded[name].append((verdict.now_ms, 1))
        seen = {name: max(seen[name], worst(recorded[name], WINDOW)) for name in RULES}
        if all(seen[name] >= wanted[name] for name in RULES):
            return
    pytest.fail(f"seen {seen}, wanted {wanted}")


async def test_no_more_requests_than_the_limit_are_ever_under_way(server, open_store, skewed):
    replicas, terms = [await open_store(server.url), await open_store(server.url)], Terms("concurrency", 9, 60_000)
    key, random_, held = f"gatectl:rl:{{leases}}:{time.time_ns()}", random.Random(3), []

    async def request(number: int) -> None:
        skew.set((-7 * HOUR, 5 * HOUR)[number % 2])
        charge = Charge(key, terms, 1, lease=f"request {number}")
        await asyncio.sleep(random_.random() / 20)
        taken = await replicas[number % 2].decide([charge])
        await asyncio.sleep(random_.random() / 200)
        back = await replicas[1 - number % 2].decide([charge._replace(mode="give_back")])
        if taken.allowed:
            held.append((taken.now_ms, back.now_ms))

    await asyncio.gather(*(request(number) for number in range(200)))
    # within a millisecond a lease may be given back and taken again
    assert most_at_a_time(held) == 9
    assert 9 < len(held) < 200
    assert await server.command("EXISTS", key) == 0
