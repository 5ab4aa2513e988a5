"""The algorithms in Python, against what they promise. That Lua does the same is shown on real servers."""

import datetime as dt
import itertools
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ratelimit_svc import algorithms
from ratelimit_svc.algorithms import ALGORITHMS, concurrency, fixed_window, quota, sliding_log, sliding_window
from ratelimit_svc.algorithms.calendar import boundaries, period_at
from ratelimit_svc.policy import BUCKETS, LONGEST_LOG, Limit
from ratelimit_svc.rules import MAX_HITS
from ratelimit_svc.store import Charge, Terms, fits

NAMES = list(ALGORITHMS)
COUNTING = [name for name in NAMES if name != "concurrency"]
"""Those that count hits; a lease is one, whatever its hits."""
ALIGNED = ["fixed_window", "sliding_window", "sliding_log"]
"""Those that hold any window that is aligned to the epoch to their number. A quota holds a period of the calendar."""
T0 = 1_800_000_000_000
DAY = 86_400_000


def charge(requests: int, window_ms: int, hits: int = 1, algorithm: str = "fixed_window", burst: int | None = None):
    period = "day" if algorithm == "quota" else None
    return Charge("k", Terms(algorithm, requests, DAY if period else window_ms, burst, period), hits, lease="me")


def used_up(name: str, asked: Charge, now: int, *taken: tuple[int, int]):
    """The state after hits were charged, each so many milliseconds before ``now``."""
    algorithm, state = ALGORITHMS[name], None
    for number, (before, hits) in enumerate(sorted(taken, reverse=True)):
        each = asked._replace(lease=str(number))
        state = algorithm.add(each, algorithm.roll(each, state, now - before), now - before, hits)
    return algorithm.roll(asked, state, now)


def test_every_algorithm_of_the_policy_is_in_the_table_and_has_its_lua():
    schema = Limit.model_json_schema()["properties"]["algorithm"]["enum"]
    assert set(ALGORITHMS) == set(schema)
    for name in ALGORITHMS:
        assert (files(algorithms) / f"{name}.lua").is_file()


@pytest.mark.parametrize("name", ALIGNED)
@given(
    requests=st.integers(0, 30),
    window=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)), max_size=40),
)
def test_no_epoch_aligned_window_admits_more_than_the_limit(name, requests, window, steps):
    algorithm, state, now = ALGORITHMS[name], None, T0
    admitted: dict[int, int] = {}
    for step, hits in steps:
        now += step
        asked = charge(requests, window, hits, name)
        rolled = algorithm.roll(asked, state, now)
        if fits(hits, algorithm.room(asked, rolled, now)):
            state = algorithm.add(asked, rolled, now, hits)
            admitted[now // window] = admitted.get(now // window, 0) + hits
    assert all(count <= requests for count in admitted.values())


@pytest.mark.parametrize("name", COUNTING)
@given(
    requests=st.integers(1, 30),
    window=st.integers(1, 80),
    burst=st.none() | st.integers(1, 40),
    taken=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=5),
    offset=st.integers(0, 79),
    hits=st.integers(0, 30),
)
def test_after_the_wait_a_refused_call_fits_and_not_a_millisecond_earlier(
    name, requests, window, burst, taken, offset, hits
):
    algorithm, asked, now = ALGORITHMS[name], charge(requests, window, hits, name, burst), T0 + offset
    assume(fits(hits, algorithm.room(asked, algorithm.roll(asked, None, now), now)))  # else it never will
    state = used_up(name, asked, now, *taken)
    if fits(hits, algorithm.room(asked, state, now)):
        return
    wait = algorithm.wait_ms(asked, state, now)

    def fits_after(ms: int) -> bool:
        return fits(hits, algorithm.room(asked, algorithm.roll(asked, state, now + ms), now + ms))

    assert wait >= 1
    assert fits_after(wait)
    assert not fits_after(wait - 1)


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("fixed_window", 700),
        ("sliding_window", 700),
        ("sliding_log", 1000),
        ("token_bucket", 1000),
        ("leaky_bucket", 1000),
        ("concurrency", 1000),
        ("quota", DAY - 300 - T0 % DAY),
    ],
)
def test_what_never_fits_waits_for_the_end_of_the_window(name, wait):
    algorithm, asked = ALGORITHMS[name], charge(0, 1000, 1, name)
    state = algorithm.roll(asked, None, T0 + 300)
    assert algorithm.wait_ms(asked, state, T0 + 300) == wait


@pytest.mark.parametrize(("at_ms", "room"), [(0, 2), (1, 2), (125, 3), (250, 4), (500, 6), (999, 9)])
def test_the_sliding_window_weighs_the_previous_one_and_rounds_against_the_caller(at_ms, room):
    state = sliding_window.roll(charge(10, 1000), (T0 // 1000 - 1, 8, 50), T0 + at_ms)
    assert state == (T0 // 1000, 0, 8)
    assert sliding_window.room(charge(10, 1000), state, T0 + at_ms) == room


@pytest.mark.parametrize("name", NAMES)
def test_a_clock_that_goes_back_frees_nothing(name):
    algorithm, asked = ALGORITHMS[name], charge(10, 1000, 1, name, 10 if name in BUCKETS else None)
    taken = used_up(name, asked, T0, (0, 4), (0, 2), (0, 1))
    before = algorithm.room(asked, taken, T0)
    behind = algorithm.roll(asked, taken, T0 - 5 * DAY)
    assert before < 10
    assert algorithm.room(asked, behind, T0 - 5 * DAY) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_long_gone_is_forgotten(name):
    algorithm, asked = ALGORITHMS[name], charge(10, 1000, 1, name, 10 if name in BUCKETS else None)
    taken = used_up(name, asked, T0, (0, 7))
    later = T0 + 2 * asked.terms.window_ms
    assert algorithm.room(asked, algorithm.roll(asked, taken, later), later) == 10


@pytest.mark.parametrize("name", COUNTING)
def test_what_is_given_back_frees_no_more_than_was_taken(name):
    algorithm, asked = ALGORITHMS[name], charge(10, 1000, 1, name, 10 if name in BUCKETS else None)
    state = algorithm.add(asked, algorithm.roll(asked, None, T0), T0, 7)
    assert [algorithm.room(asked, algorithm.add(asked, state, T0, -hits), T0) for hits in (3, 99)] == [6, 10]


@pytest.mark.parametrize("name", COUNTING)
@given(hits=st.lists(st.sampled_from([1, 2**31, 2**53, MAX_HITS]), min_size=1, max_size=4), step=st.integers(0, 500))
def test_however_much_is_charged_it_is_paid_off_within_two_windows(name, hits, step):
    algorithm, asked = ALGORITHMS[name], charge(10, 1000, 1, name)
    state, now = None, T0
    for each in hits:
        now += step
        state = algorithm.add(asked, algorithm.roll(asked, state, now), now, each)
    assert 1 <= algorithm.wait_ms(asked, state, now) <= 2 * asked.terms.window_ms + 100


@given(times=st.lists(st.integers(0, 300), min_size=1, max_size=60), requests=st.integers(0, 5))
def test_a_sliding_log_keeps_an_entry_for_each_request_of_the_limit_and_none_for_the_refused(times, requests):
    asked, state = charge(requests, 200, 1, "sliding_log"), None
    for now in sorted(times):
        state = sliding_log.add(asked, sliding_log.roll(asked, state, T0 + now), T0 + now, 1)
        assert len(state[2:]) // 2 <= max(1, requests)


def test_a_sliding_log_counts_no_call_for_more_than_any_log_holds():
    asked = charge(5, 200, MAX_HITS, "sliding_log")
    state = sliding_log.add(asked, sliding_log.roll(asked, None, T0), T0, MAX_HITS)
    assert sliding_log.room(asked, state, T0) == 5 - LONGEST_LOG
    assert sliding_log.room(asked, sliding_log.add(asked, state, T0, -MAX_HITS), T0) == 5


def test_a_lease_is_held_by_the_request_that_took_it_until_it_gives_it_back_or_its_time_is_over():
    mine, other = (charge(2, 1000, 1, "concurrency")._replace(lease=lease) for lease in ("a", "b"))
    state = concurrency.add(mine, concurrency.roll(mine, None, T0), T0, 1)
    assert concurrency.add(mine, state, T0, 1) == state  # the same request twice is one
    assert concurrency.add(other, state, T0, -1) == state  # what was not taken cannot be given back
    assert concurrency.room(mine, concurrency.add(other, state, T0, 1), T0) == 0
    assert concurrency.room(mine, concurrency.add(mine, state, T0, -1), T0) == 2
    rooms = [
        concurrency.room(each, concurrency.roll(each, state, now), now)
        for each in (other, mine)
        for now in (T0 + 999, T0 + 1000)
    ]
    assert rooms == [1, 2, 0, 2]  # who holds it cannot have it again


@pytest.mark.parametrize(("requests", "window_ms", "room"), [(1, 1000, 1), (1000, 1000, 1), (1001, 1000, 2), (9, 2, 5)])
def test_a_leaky_bucket_holds_one_and_never_less_than_leaks_in_a_millisecond(requests, window_ms, room):
    asked = charge(requests, window_ms, 1, "leaky_bucket")
    bucket = ALGORITHMS["leaky_bucket"]
    assert bucket.room(asked, bucket.roll(asked, None, T0), T0) == room


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
)


@given(zone=ZONES, period=st.sampled_from(["day", "week", "month"]), seconds=st.integers(1_262_304_000, 2_000_000_000))
@example(zone="Africa/Cairo", period="day", seconds=1_777_000_000)
@example(zone="Pacific/Apia", period="day", seconds=1_325_239_200)  # the day that Samoa left out
def test_a_period_is_of_the_calendar_of_its_zone_whatever_its_clocks_do(zone, period, seconds):
    start, end = period_at(period, zone, seconds * 1000)
    assert start <= seconds * 1000 < end
    first, last = (dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)) for ms in (start, end - 1))
    key = {
        "day": lambda time: time.date(),
        "week": lambda time: time.isocalendar()[:2],
        "month": lambda time: (time.year, time.month),
    }[period]
    now = dt.datetime.fromtimestamp(seconds, ZoneInfo(zone))
    before, after = (dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)) for ms in (start - 1, end))
    assert key(first) == key(last) == key(now)
    assert key(before) != key(now) != key(after)


@given(zone=ZONES, period=st.sampled_from(["day", "week", "month"]), seconds=st.integers(1_262_304_000, 2_000_000_000))
def test_lua_is_told_the_very_periods_that_python_counts_by(zone, period, seconds):
    starts = [int(each) for each in boundaries(period, zone, seconds // 3600).split()]
    assert [period_at(period, zone, start) for start in starts[:-1]] == list(itertools.pairwise(starts))
    assert starts[2] <= seconds // 3600 * 3_600_000 < starts[3]


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_day_is_as_long_as_the_clocks_make_it(day, hours):
    noon = dt.datetime.fromisoformat(day).replace(hour=12, tzinfo=ZoneInfo("Europe/Berlin"))
    start, end = period_at("day", "Europe/Berlin", round(noon.timestamp() * 1000))
    assert end - start == hours * 3_600_000


def test_a_quota_begins_anew_at_midnight_of_its_zone():
    midnight = round(dt.datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    asked = Charge("k", Terms("quota", 10, DAY, None, "day", "Europe/Berlin"), 1)
    state = quota.add(asked, quota.roll(asked, None, midnight - 1), midnight - 1, 10)
    assert quota.reset_ms(asked, state, midnight - 1) == 1
    assert quota.room(asked, quota.roll(asked, state, midnight), midnight) == 10


@pytest.mark.parametrize("algorithm", [fixed_window, sliding_window])
def test_a_window_keeps_the_later_of_two_indexes(algorithm):
    asked = charge(10, 1000)
    used = algorithm.add(asked, algorithm.roll(asked, None, T0), T0, 7)
    assert algorithm.roll(asked, used, T0 - 5000) == used
