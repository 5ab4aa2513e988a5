"""What the simulated upstream goes through. Tests hold the law to these, and the documentation shows them."""

import math
from dataclasses import dataclass

from bench.adaptive.simulation import Course, Second, run
from ratelimit_svc.adaptive.law import Law

LARGEST = 400
"""Requests a second that the whole limit admits. A worker bears 20."""
LAW = Law(floor=0.05, target_ms=200)


@dataclass(frozen=True)
class Scenario:
    """A course of events: workers of the upstream and requests a second that are wanted, over ``seconds``."""

    title: str
    workers: Course
    demand: Course
    seconds: int = 240

    def run(self, law: Law = LAW, seed: int = 1) -> list[Second]:
        """What happens."""
        return run(law, LARGEST, self.workers, self.demand, self.seconds, seed)


def _crowd(_: int) -> float:
    return 500


SCENARIOS = {
    "step": Scenario(
        "The upstream loses 10 of 16 workers at 90 s and gets them back at 180 s",
        lambda second: 6 if 90 <= second < 180 else 16,
        _crowd,
        270,
    ),
    "ramp": Scenario(
        "The upstream loses 12 of 16 workers one by one from 60 s to 120 s",
        lambda second: 16 - 12 * min(1, max(0, (second - 60) / 60)),
        _crowd,
    ),
    "oscillation": Scenario(
        "The upstream has from 6 to 14 workers, back and forth every 60 s",
        lambda second: 10 + 4 * math.sin(second / 60 * 2 * math.pi),
        _crowd,
    ),
    "fast-oscillation": Scenario(
        "The upstream has from 6 to 14 workers, back and forth every 10 s",
        lambda second: 10 + 4 * math.sin(second / 10 * 2 * math.pi),
        _crowd,
    ),
    "quiet": Scenario(
        "Hardly anybody calls from 60 s to 150 s, then everybody again",
        lambda _: 10,
        lambda second: 20 if 60 <= second < 150 else 500,
    ),
}
"""By the name of their plot, ``docs/adaptive/<name>.svg``."""
