"""The law by itself: which figures move the level, which way, and never out of bounds."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratelimit_svc.adaptive.law import LEAST_CUT, MOST_CUT, PATIENCE, RISE, SAMPLE, Figures, Law, Reason, State, step

LAW = Law(floor=0.1, target_ms=200, max_slow=0.1, max_errors=0.05, max_in_flight=50)
WELL = Figures(ended=100, errors=0, slow=0, duration_ms=5000, pressed=1)


@pytest.mark.parametrize(
    ("figures", "level", "moved", "reason"),
    [
        (WELL, 0.5, 1, "raised"),
        (WELL, 1.0, 0, "full"),
        (replace(WELL, pressed=0), 0.5, 0, "unused"),
        (Figures(), 0.5, 0, "idle"),
        (Figures(pressed=9), 0.5, 0, "idle"),
        (replace(WELL, ended=SAMPLE - 1), 0.5, 0, "waiting"),
        (replace(WELL, slow=5), 0.5, 1, "raised"),
        (replace(WELL, slow=6), 0.5, 0, "near"),
        (replace(WELL, slow=10), 0.5, 0, "near"),
        (replace(WELL, slow=11), 0.5, -1, "latency"),
        (replace(WELL, slow=11, pressed=0), 0.5, -1, "latency"),
        (replace(WELL, errors=2), 0.5, 1, "raised"),
        (replace(WELL, errors=3), 0.5, 0, "near"),
        (replace(WELL, errors=5), 0.5, 0, "near"),
        (replace(WELL, ended=SAMPLE), 0.5, 1, "raised"),
        (replace(WELL, ended=30, errors=1), 0.5, 1, "raised"),  # a single one among few is no reason to rest
        (replace(WELL, ended=15, slow=1), 0.5, 1, "raised"),
        (replace(WELL, ended=25, slow=2), 0.5, 0, "near"),
        (replace(WELL, errors=6), 0.5, -1, "errors"),
        (replace(WELL, errors=90, slow=20), 0.5, -1, "errors"),
        (replace(WELL, errors=6, slow=90), 0.5, -1, "latency"),
        (replace(WELL, duration_ms=37_500), 0.5, 1, "raised"),
        (replace(WELL, duration_ms=37_501), 0.5, 0, "near"),
        (replace(WELL, duration_ms=50_000), 0.5, 0, "near"),
        (replace(WELL, duration_ms=51_000), 0.5, -1, "in_flight"),
        (replace(WELL, slow=100), 0.1, 0, "latency"),
    ],
)
def test_the_level_moves_for_a_reason(figures: Figures, level: float, moved: int, reason: Reason) -> None:
    state, why = step(LAW, State(level=level), figures)
    assert why == reason
    assert (state.level > level) - (state.level < level) == moved


def test_a_cut_is_as_deep_as_the_trouble() -> None:
    little, _ = step(LAW, State(), replace(WELL, slow=11))
    everything, _ = step(LAW, State(), replace(WELL, slow=100))
    crowded, why = step(LAW, State(), replace(WELL, duration_ms=100_000))
    assert (crowded.level, why) == (pytest.approx(1 - MOST_CUT / 2), "in_flight")
    assert little.level == pytest.approx(1 - LEAST_CUT)
    assert everything.level == pytest.approx(1 - MOST_CUT)


def test_after_a_cut_nothing_is_judged_until_what_was_admitted_before_has_ended() -> None:
    law = replace(LAW, target_ms=2500)
    state, _ = step(law, State(), replace(WELL, errors=100))
    cut = state.level
    for _ in range(3):
        state, reason = step(law, state, replace(WELL, errors=100))
        assert (state.level, reason) == (cut, "settling")
    assert step(law, state, replace(WELL, errors=100))[0].level < cut


def test_few_requests_are_judged_together_once_they_are_enough_or_it_has_taken_long_enough() -> None:
    state, reasons = State(level=0.5), []
    for _ in range(SAMPLE // 4 + 1):
        state, reason = step(LAW, state, Figures(ended=4, pressed=1))
        reasons.append(reason)
    assert reasons == ["waiting", "waiting", "raised"]
    for _ in range(PATIENCE):
        state, reason = step(LAW, state, Figures(ended=1, pressed=1))
    assert reason == "raised"


def test_requests_in_flight_are_an_average_over_the_time_that_they_were_collected_in() -> None:
    slowly = Figures(ended=4, duration_ms=49_000, pressed=1)
    state, reason = State(level=0.5), "idle"
    for _ in range(3):
        state, reason = step(LAW, state, slowly)
    assert reason == "near"


def test_close_to_where_trouble_began_the_level_rises_slowly() -> None:
    far, _ = step(LAW, State(level=0.5, knee=0.9), WELL)
    close, _ = step(LAW, State(level=0.5, knee=0.5), WELL)
    past, _ = step(LAW, State(level=0.5, knee=0.4), WELL)
    assert far.level == past.level == pytest.approx(0.5 + RISE)
    assert close.level == pytest.approx(0.5 + RISE / 4)
    assert past.knee == 0


shares = st.floats(0.01, 1)
laws = st.builds(
    Law,
    floor=shares,
    target_ms=st.integers(1, 60_000),
    max_slow=st.floats(0, 0.99),
    max_errors=st.floats(0, 0.99),
    max_in_flight=st.none() | st.integers(1, 10_000),
)


@st.composite
def some_figures(draw: st.DrawFn) -> Figures:
    ended = draw(st.integers(0, 10**6))
    part = st.integers(0, ended)
    return Figures(ended, draw(part), draw(part), draw(st.integers(0, 10**12)), draw(st.integers(0, 10**6)))


states = st.builds(
    State,
    level=shares,
    knee=st.just(0.0) | shares,
    settling=st.integers(0, 3),
    pending=some_figures(),
    waited=st.integers(0, PATIENCE - 1),
)


@settings(max_examples=50)
@given(laws, states, st.lists(some_figures(), max_size=20))
def test_the_level_never_leaves_its_bounds(law: Law, state: State, past: list[Figures]) -> None:
    for figures in past:
        state, _ = step(law, state, figures)
        assert law.floor <= state.level <= 1


@settings(max_examples=50)
@given(laws, states, some_figures(), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**12))
def test_worse_figures_never_make_a_higher_level(
    law: Law, state: State, figures: Figures, slow: int, errors: int, duration_ms: int
) -> None:
    worse = replace(
        figures,
        slow=min(figures.ended, figures.slow + slow),
        errors=min(figures.ended, figures.errors + errors),
        duration_ms=figures.duration_ms + duration_ms,
    )
    assert step(law, state, worse)[0].level <= step(law, state, figures)[0].level


@settings(max_examples=50)
@given(laws, states, some_figures(), shares)
def test_whoever_starts_higher_never_ends_lower(law: Law, state: State, figures: Figures, other: float) -> None:
    low, high = sorted((state.level, other))
    levels = [step(law, replace(state, level=level), figures)[0].level for level in (low, high)]
    assert levels[0] <= levels[1]


@settings(max_examples=50)
@given(laws, states, some_figures())
def test_the_level_never_rises_while_nobody_meets_the_limit(law: Law, state: State, figures: Figures) -> None:
    unused = replace(state, pending=replace(state.pending, pressed=0))
    assert step(law, unused, replace(figures, pressed=0))[0].level <= max(state.level, law.floor)


def test_figures_of_several_processes_are_added_up() -> None:
    assert Figures(1, 2, 3, 4, 5) + Figures(10, 20, 30, 40, 50) == Figures(11, 22, 33, 44, 55)
