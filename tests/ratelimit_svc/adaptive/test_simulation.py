"""The law in front of an upstream that changes: it gets close to what can be borne, in time, and stays there."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from bench.adaptive.plots import plot
from bench.adaptive.scenarios import LARGEST, LAW, SCENARIOS
from bench.adaptive.simulation import Second
from ratelimit_svc.adaptive.law import Law

SEEDS = (1, 2)
PLOTS = Path(__file__).parents[3] / "docs" / "adaptive"
DOWN, UP = 90, 180
"""When the upstream of the scenario ``step`` loses workers, and when it gets them back."""

each_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def past(name: str, seed: int, law: Law = LAW) -> list[Second]:
    return SCENARIOS[name].run(law, seed)


def ratios(seconds: Sequence[Second]) -> list[float]:
    """The limit in force, as a multiple of what the upstream can bear."""
    return [one.level * LARGEST / one.capacity for one in seconds]


def in_time(seconds: Sequence[Second]) -> float:
    """Requests that ended in time, as a share of what could have."""
    ended = sum(one.figures.ended - one.figures.slow for one in seconds)
    return ended / sum(min(one.capacity, one.demand) for one in seconds)


@each_seed
def test_it_is_down_within_8_seconds_of_a_step_down(seed: int) -> None:
    assert min(ratios(past("step", seed)[DOWN : DOWN + 8])) <= 1.1


@each_seed
def test_it_is_up_within_25_seconds_of_a_step_up(seed: int) -> None:
    assert max(ratios(past("step", seed)[UP : UP + 25])) >= 0.8


@each_seed
@pytest.mark.parametrize(("start", "end"), [(30, DOWN), (DOWN + 30, UP), (UP + 30, 270)])
def test_it_stays_close_to_what_can_be_borne(seed: int, start: int, end: int) -> None:
    settled = ratios(past("step", seed)[start:end])
    assert min(settled) >= 0.4
    assert max(settled) <= 1.4
    mean = sum(settled) / len(settled)
    assert 0.75 <= mean <= 1.05
    assert sum(abs(one - mean) for one in settled) / len(settled) <= 0.2


@each_seed
@pytest.mark.parametrize(
    ("name", "highest", "least"), [("ramp", 1.6, 0.65), ("oscillation", 1.4, 0.6), ("fast-oscillation", 2.0, 0.35)]
)
def test_an_upstream_that_keeps_changing_is_followed(seed: int, name: str, highest: float, least: float) -> None:
    seconds = past(name, seed)[30:]
    assert max(ratios(seconds)) <= highest
    assert in_time(seconds) >= least
    assert sum(one.figures.errors for one in seconds) == 0


@each_seed
def test_an_oscillation_of_the_upstream_hardly_grows_in_the_limit(seed: int) -> None:
    seconds = past("oscillation", seed)[60:]
    limits = [one.level * LARGEST for one in seconds]
    capacity = [one.capacity for one in seconds]
    assert max(limits) - min(limits) <= 1.75 * (max(capacity) - min(capacity))


@each_seed
def test_a_quiet_night_does_not_raise_the_limit(seed: int) -> None:
    seconds = past("quiet", seed)
    levels = [one.level for one in seconds[62:151]]
    assert max(levels) == levels[0]
    assert {one.reason for one in seconds[65:150]} <= {"unused", "waiting", "settling", "near", "latency"}
    assert max(ratios(seconds[150:])) <= 1.4


@each_seed
def test_without_the_law_nothing_ends_in_time(seed: int) -> None:
    fixed = past("step", seed, Law(floor=1, target_ms=LAW.target_ms))[DOWN + 20 : UP]
    assert in_time(fixed) < 0.05
    assert in_time(past("step", seed)[DOWN + 20 : UP]) > 0.6


def test_the_plots_in_the_documentation_are_of_this_law() -> None:
    for name, scenario in SCENARIOS.items():
        drawn = plot(scenario.title, past(name, SEEDS[0]))
        assert drawn == (PLOTS / f"{name}.svg").read_text(), f"{name}: run `make reference`"
