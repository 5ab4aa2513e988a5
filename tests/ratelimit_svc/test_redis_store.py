"""The store on real servers: the same decisions as the algorithms in Python, exact under concurrency."""

import asyncio
import datetime as dt
import itertools

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import BUCKETS, MAX_DESCRIPTORS
from ratelimit_svc.redis import open_store as store_at
from ratelimit_svc.redis import script
from ratelimit_svc.redis.exchange import connect
from ratelimit_svc.rules import MAX_HITS
from ratelimit_svc.store import Charge, StoreUnavailableError, Terms
from serving.redis_location import parse

T0 = 1_800_000_000_000
DAY = 86_400_000
YEAR = 365 * DAY
WINDOWS = ("fixed_window", "sliding_window")
ON_ONE = pytest.mark.parametrize("server", ["valkey"], indirect=True)
"""For tests of the script that need no other server."""
_numbers = itertools.count()


def fresh() -> str:
    """A key no test has used."""
    return f"gatectl:rl:{{test}}:{next(_numbers)}"


def limit(requests: int, algorithm: str = "sliding_window", window_ms: int = YEAR, burst: int | None = None) -> Terms:
    """Terms that hold for the length of a test, and a bucket that is full at its beginning."""
    if algorithm == "quota":
        return Terms(algorithm, requests, 31 * DAY, None, "month", "Asia/Kathmandu")
    if algorithm in BUCKETS and burst is None:
        burst = max(1, requests)
    return Terms(algorithm, requests, window_ms, burst)


def asks(terms: Terms, hits: int, key: str = "") -> Charge:
    """By a request of its own."""
    return Charge(key or fresh(), terms, hits, lease=f"request {next(_numbers)}")


def round_trips() -> float:
    return REGISTRY.get_sample_value("ratelimit_store_round_trips_total", {"result": "ok"}) or 0.0


limits = st.builds(
    limit,
    st.integers(0, 12),
    st.sampled_from(list(ALGORITHMS)),
    st.sampled_from([1, 2, 3, 5, 8, 30, 1000, YEAR]),
    st.none() | st.integers(1, 30),
).map(lambda terms: terms if terms.algorithm in BUCKETS else terms._replace(burst=None))
addends = st.one_of(st.integers(0, 4), st.sampled_from([2**32 - 1, 2**53, MAX_HITS]))
modes = st.sampled_from(["take", "take", "take", "shadow", "always", "add", "give_back"])


@given(
    counters=st.lists(limits, min_size=1, max_size=4),
    calls=st.lists(
        st.dictionaries(
            st.integers(0, 3), st.tuples(addends, modes, st.sampled_from("abcdef")), min_size=1, max_size=4
        ),
        min_size=1,
        max_size=40,
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_decides_exactly_like_the_algorithms_in_python(server, counters, calls):
    store = store_at(parse(server.url), 5, Fallback(LocalStore(1), 1, lambda: 1))
    now_ms = 0
    twin = LocalStore(1000, lambda: now_ms)
    keys = [fresh() for _ in counters]
    try:
        for call in calls:
            charges = [Charge(keys[i], counters[i], *asked) for i, asked in call.items() if i < len(counters)]
            verdict = await store.decide(charges)
            now_ms = verdict.now_ms  # the twin's clock is the server's
            assert verdict == await twin.decide(charges)
    finally:
        await store.close()


@pytest.fixture
async def asked_at(server, monkeypatch):
    """``await asked_at(now_ms, charge)``: the script's verdict at a time of the test's. Keys still expire in theirs.

    ``skew_ms``: how far the clock of the replica that asks is ahead.
    """
    exchange, clock = connect(parse(server.url), 5), [0]
    text = script.TEXT.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    assert text != script.TEXT
    monkeypatch.setattr(script, "wall_clock_ms", lambda: clock[0])
    [sha] = await exchange([("SCRIPT", "LOAD", text)])

    async def ask(now_ms, charge, skew_ms=0):
        clock[0] = now_ms + skew_ms
        [reply] = await exchange(
            [("EVALSHA", sha, *script.command([charge])[2:], now_ms // 1000, now_ms % 1000 * 1000)]
        )
        return script.verdict(reply)

    yield ask
    await exchange.close()


steps = st.sampled_from([0, 1, 2, 300, 300, 300, 500, 999, 1000, 1001, 6500, 31 * DAY, -1, -999, -2 * DAY])


def spent_and_given_back(hits):
    """A limit of 4 is used up piece by piece and asked for more; some of it is given back, and looked at as it goes."""
    spent = [(step, taken, "take", f"{step}") for step, taken in ((0, 1), (300, 1), (301, 2), (1, 1), (1, 2), (1, 4))]
    return [*spent, (2, hits, "give_back", "301"), *[(99, asked, "take", "x") for asked in (0, 4, 3, 2) * 4]]


@ON_ONE
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(
    requests=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    window_ms=st.sampled_from([1000, 7000]),
    burst=st.none() | st.integers(1, 9),
    calls=st.lists(
        st.tuples(
            steps,
            st.sampled_from([0, 1, 1, 1, 2, 2, 3, 4, 9, MAX_HITS]),
            st.sampled_from(["take", "take", "shadow", "always", "add", "give_back"]),
            st.sampled_from("abc"),
        ),
        min_size=5,
        max_size=40,
    ),
)
@example(requests=[4], window_ms=1000, burst=None, calls=spent_and_given_back(1))
@example(requests=[4], window_ms=1000, burst=None, calls=spent_and_given_back(2))
@example(requests=[4], window_ms=1000, burst=None, calls=spent_and_given_back(3))
@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_time_goes_by_and_changes_it_decides_like_the_algorithms_in_python(
    asked_at, algorithm, requests, window_ms, burst, calls
):
    key, now_ms = fresh(), T0
    terms = limit(5, algorithm, window_ms)._replace(burst=burst if algorithm in BUCKETS else None)
    twin = LocalStore(1, lambda: now_ms)
    # a refund takes the latest entry off a log: a clock that goes back then meets one that only Redis still has
    onwards = algorithm == "sliding_log" and any(mode == "give_back" for _, _, mode, _ in calls)
    for number, (step, *asked) in enumerate(calls):
        now_ms = max(T0, now_ms + (abs(step) if onwards else step))
        raised_or_lowered = terms._replace(requests=requests[number * len(requests) // len(calls)])
        charge = Charge(key, raised_or_lowered, *asked)
        assert await asked_at(now_ms, charge) == await twin.decide([charge])


@ON_ONE
@pytest.mark.parametrize("mode", ["take", "always", "shadow", "add"])
@pytest.mark.parametrize("algorithm", ["sliding_log", "concurrency"])
async def test_a_key_of_entries_has_no_more_of_them_than_the_limit_however_long_it_lives(
    asked_at, server, algorithm, mode
):
    key, sizes = fresh(), set()
    for number in range(60):
        step = number * 300 + number // 20 * 5000
        await asked_at(T0 + step, Charge(key, Terms(algorithm, 3, 1000), 1, mode, f"{number}"))
        sizes.add(await server.command("ZCARD", key))
    # of a log, and the last that has left the window; what is charged without asking takes a lease in any case
    assert max(sizes) <= 4


@ON_ONE
@pytest.mark.parametrize(
    "evening", ["2026-03-28T21:00:00+01:00", "2026-10-24T21:00:00+02:00", "2026-02-28T21:00:00+01:00"]
)
@given(
    calls=st.lists(st.tuples(st.integers(0, 400), st.integers(-47 * 60, 47 * 60)), min_size=1, max_size=30),
    period=st.sampled_from(["day", "week", "month"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_calendar_is_that_of_the_servers_clock_whatever_the_replicas_clocks_say(
    asked_at, evening, calls, period
):
    key, now_ms = fresh(), round(dt.datetime.fromisoformat(evening).timestamp() * 1000)
    twin = LocalStore(1, lambda: now_ms)
    charge = Charge(key, Terms("quota", 3, DAY, None, period, "Europe/Berlin"), 1)
    for minutes, skew in calls:
        now_ms += minutes * 60_000
        assert await asked_at(now_ms, charge, skew * 60_000) == await twin.decide([charge])


@pytest.mark.parametrize("algorithm", WINDOWS)
@pytest.mark.parametrize("ahead", [1, 7])
async def test_a_server_clock_that_went_back_frees_nothing(server, open_store, algorithm, ahead):
    store, key, rule = await open_store(server.url), fresh(), limit(10, algorithm)
    index = (await store.decide([])).now_ms // YEAR + ahead
    await server.command("SET", key, " ".join(map(str, (index, 8, 0)[: 2 if algorithm == "fixed_window" else 3])))
    verdict = await store.decide([Charge(key, rule, 3)])
    assert not verdict.allowed
    assert verdict.readings[0].room == 2
    assert (ahead - 1) * YEAR < verdict.readings[0].until_ms <= (ahead + 2) * YEAR


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_of_n_plus_100_concurrent_calls_over_two_replicas_exactly_n_are_admitted(server, open_store, algorithm):
    replicas = [await open_store(server.url), await open_store(server.url)]
    keys, tight, wide = (fresh(), fresh()), limit(150, algorithm), limit(1000, algorithm)
    calls = [[asks(tight, 1, keys[0]), asks(wide, 1, keys[1])] for _ in range(250)]
    verdicts = await asyncio.gather(*(replicas[number % 2].decide(call) for number, call in enumerate(calls)))
    assert sum(verdict.allowed for verdict in verdicts) == 150
    room = [reading.room for reading in (await replicas[0].decide([c._replace(hits=0) for c in calls[0]])).readings]
    assert room == [0, 850]


async def test_a_call_that_one_limit_refuses_charges_no_limit(server, open_store):
    store, free, full = await open_store(server.url), Charge(fresh(), limit(5), 1), Charge(fresh(), limit(1), 1)
    assert (await store.decide([full])).allowed
    for order in ([free, full], [full, free]):
        assert not (await store.decide(order)).allowed
    assert (await store.decide([free])).readings[0].room == 5


@pytest.mark.parametrize(
    ("mode", "refused", "left"),
    [("take", True, 1), ("shadow", False, 1), ("always", True, -1), ("add", False, -1), ("give_back", False, 3)],
)
async def test_the_mode_says_whether_a_charge_refuses_and_what_becomes_of_it(server, open_store, mode, refused, left):
    store, key, other = await open_store(server.url), fresh(), Charge(fresh(), limit(9), 1)
    await store.decide([Charge(key, limit(3), 2)])
    verdict = await store.decide([other, Charge(key, limit(3), 2, mode)])
    assert verdict.allowed is not refused
    assert verdict.readings[1].room == 1
    look = await store.decide([other._replace(hits=0), Charge(key, limit(3), 0)])
    assert [reading.room for reading in look.readings] == [9 if refused else 8, left]


async def test_concurrent_calls_share_round_trips(server, open_store):
    store, rule = await open_store(server.url), limit(10**6)
    before = round_trips()
    verdicts = await asyncio.gather(*(store.decide([Charge(fresh(), rule, 1)]) for _ in range(200)))
    assert all(verdict.allowed for verdict in verdicts)
    assert round_trips() - before <= 3


async def test_calls_after_a_call_that_fails_in_the_same_batch_get_their_own_answers(server, open_store):
    store, broken, rule = await open_store(server.url), fresh(), limit(10)
    await server.command("LPUSH", broken, "not ours")
    keys = [broken, fresh(), broken, fresh()]
    answers = await asyncio.gather(*(store.decide([Charge(key, rule, 1)]) for key in keys), return_exceptions=True)
    assert [isinstance(answer, StoreUnavailableError) for answer in answers] == [True, False, True, False]


@pytest.mark.parametrize("algorithm", WINDOWS)
@pytest.mark.parametrize(
    ("requests", "hits", "allowed"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 0, True),
        (10, 10, True),
        (10, 11, False),
        (10, 2**32 - 1, False),
        (10, MAX_HITS, False),
        (2**53, 2**53, True),
        (2**53, MAX_HITS, False),
    ],
)
async def test_addends_and_limits_at_the_edges(server, open_store, algorithm, requests, hits, allowed):
    store, charge = await open_store(server.url), Charge(fresh(), limit(requests, algorithm), hits)
    assert (await store.decide([charge])).allowed is allowed
    (reading,) = (await store.decide([charge._replace(hits=0)])).readings
    assert reading.room == requests - (hits if allowed else 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_limit_of_nothing_admits_nothing_at_any_time(server, open_store, algorithm):
    store = await open_store(server.url)
    for window_ms, burst in ((1, None), (1, 5), (1000, None), (1000, 5)):
        rule = limit(0, algorithm, window_ms)._replace(burst=burst if algorithm in BUCKETS else None)
        for hits in (0, 1, MAX_HITS):
            assert not (await store.decide([asks(rule, hits)])).allowed


async def test_the_largest_call_is_decided_whole(server, open_store):
    store, rule = await open_store(server.url), limit(1)
    charges = [Charge(fresh(), rule, 1) for _ in range(MAX_DESCRIPTORS)]
    assert (await store.decide(charges)).allowed
    again = await store.decide(charges)
    assert not again.allowed
    assert {reading.room for reading in again.readings} == {0}


@pytest.mark.parametrize(("algorithm", "windows"), [("fixed_window", 1), ("sliding_window", 2)])
async def test_every_key_expires_and_only_what_was_charged_has_one(server, open_store, algorithm, windows):
    store, charged, looked_at = await open_store(server.url), fresh(), fresh()
    rule = limit(5, algorithm, window_ms=60_000)
    await store.decide([Charge(charged, rule, 1), Charge(looked_at, rule, 0)])
    ttl = await server.command("PTTL", charged)
    assert isinstance(ttl, int)
    assert windows * 60_000 - 5000 < ttl <= windows * 60_000
    assert await server.command("EXISTS", looked_at) == 0


async def test_a_flushed_script_cache_is_filled_again_without_an_error(server, open_store):
    store, key, rule = await open_store(server.url), fresh(), limit(3)
    assert (await store.decide([Charge(key, rule, 1)])).allowed
    await server.command("SCRIPT", "FLUSH")
    verdicts = await asyncio.gather(*(store.decide([Charge(key, rule, 1)]) for _ in range(5)))
    assert sum(verdict.allowed for verdict in verdicts) == 2
