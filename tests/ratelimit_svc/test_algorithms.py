"""The algorithms in Python, against what they promise. That Lua does the same is shown on real servers."""

from importlib.resources import files

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratelimit_svc import algorithms
from ratelimit_svc.algorithms import ALGORITHMS, fixed_window, sliding_window
from ratelimit_svc.policy import Limit
from ratelimit_svc.store import Charge, Terms, fits

NAMES = list(ALGORITHMS)
T0 = 1_800_000_000_000


def charge(requests: int, window_ms: int, hits: int = 1, algorithm: str = "fixed_window") -> Charge:
    return Charge("k", Terms(algorithm, requests, window_ms), hits)


def test_every_algorithm_of_the_policy_is_in_the_table_and_has_its_lua():
    schema = Limit.model_json_schema()["properties"]["algorithm"]["enum"]
    assert set(ALGORITHMS) == set(schema)
    for name in ALGORITHMS:
        assert (files(algorithms) / f"{name}.lua").is_file()


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
@given(
    requests=st.integers(1, 30),
    window=st.integers(1, 80),
    used=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    offset=st.integers(0, 79),
    hits=st.integers(0, 30),
)
def test_after_the_wait_a_refused_call_fits_and_not_a_millisecond_earlier(name, requests, window, used, offset, hits):
    assume(hits <= requests)
    algorithm, asked, index = ALGORITHMS[name], charge(requests, window, hits, name), T0 // window
    now = index * window + offset % window
    state = algorithm.roll(asked, (index, *used)[: 2 if name == "fixed_window" else 3], now)
    if fits(hits, algorithm.room(asked, state, now)):
        return
    wait = algorithm.wait_ms(asked, state, now)

    def fits_after(ms: int) -> bool:
        return fits(hits, algorithm.room(asked, algorithm.roll(asked, state, now + ms), now + ms))

    assert wait >= 1
    assert fits_after(wait)
    assert not fits_after(wait - 1)


@pytest.mark.parametrize("name", NAMES)
def test_what_never_fits_waits_for_the_end_of_the_window(name):
    algorithm, asked = ALGORITHMS[name], charge(0, 1000, 1, name)
    state = algorithm.roll(asked, None, T0 + 300)
    assert algorithm.wait_ms(asked, state, T0 + 300) == 700 == algorithm.reset_ms(asked, state, T0 + 300)


@pytest.mark.parametrize(("at_ms", "room"), [(0, 2), (1, 2), (125, 3), (250, 4), (500, 6), (999, 9)])
def test_the_sliding_window_weighs_the_previous_one_and_rounds_against_the_caller(at_ms, room):
    state = sliding_window.roll(charge(10, 1000), (T0 // 1000 - 1, 8, 50), T0 + at_ms)
    assert state == (T0 // 1000, 0, 8)
    assert sliding_window.room(charge(10, 1000), state, T0 + at_ms) == room


@pytest.mark.parametrize("algorithm", [fixed_window, sliding_window])
def test_a_clock_that_goes_back_frees_nothing(algorithm):
    asked = charge(10, 1000)
    used = algorithm.add(asked, algorithm.roll(asked, None, T0), T0, 7)
    behind = algorithm.roll(asked, used, T0 - 5000)
    assert behind == used
    assert algorithm.room(asked, behind, T0 - 5000) == 3


@pytest.mark.parametrize("algorithm", [fixed_window, sliding_window])
def test_a_window_long_gone_is_forgotten(algorithm):
    asked = charge(10, 1000)
    used = algorithm.add(asked, algorithm.roll(asked, None, T0), T0, 7)
    assert algorithm.room(asked, algorithm.roll(asked, used, T0 + 2000), T0 + 2000) == 10


@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_back_frees_no_more_than_was_taken(name):
    algorithm, asked = ALGORITHMS[name], charge(10, 1000, 1, name)
    state = algorithm.add(asked, algorithm.roll(asked, None, T0), T0, 7)
    assert [algorithm.room(asked, algorithm.add(asked, state, T0, -hits), T0) for hits in (3, 99)] == [6, 10]
