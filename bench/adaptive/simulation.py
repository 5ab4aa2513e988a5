"""A simulated upstream behind an adaptive limit: a pool of workers with a queue. Deterministic: a seed, no clock."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ratelimit_svc.adaptive.law import INTERVAL_MS, Figures, Law, Reason, State, step

SERVICE_MS = 50
"""Mean time a worker is busy with a request; how long is drawn from an exponential distribution."""
TIMEOUT_MS = 2000
"""After which Envoy gives up on a request, wherever it is: it has failed, and the worker goes on for nobody."""

Course = Callable[[int], float]
"""Something that changes with the time: second → value."""


@dataclass(frozen=True)
class Second:
    """One interval as it was: requests per second that were wanted, admitted and could be borne, and the outcome."""

    demand: float
    admitted: int
    capacity: float
    level: float
    reason: Reason
    figures: Figures


def run(law: Law, largest: int, workers: Course, demand: Course, seconds: int, seed: int = 1) -> list[Second]:
    """``seconds`` of a limit of ``largest`` requests a second, in front of ``workers(second)`` workers.

    ``demand(second)`` requests a second come at random (Poisson); a token bucket of the level admits them.
    """
    chance, state, past = random.Random(seed), State(), []
    upstream = _Upstream(chance)
    tokens, clock = 0.0, 0.0
    for second in range(seconds):
        start, end = second * INTERVAL_MS, (second + 1) * INTERVAL_MS
        upstream.workers = max(1, round(workers(second)))
        rate, wanted = state.level * largest / 1000, demand(second) / 1000
        admitted = refused = 0
        clock = max(clock, start)
        while wanted and (arrival := clock + chance.expovariate(wanted)) < end:
            tokens = min(max(1.0, rate * 100), tokens + (arrival - clock) * rate)
            clock = arrival
            if tokens >= 1:
                tokens -= 1
                admitted += 1
                upstream.take(arrival)
            else:
                refused += 1
        tokens = min(max(1.0, rate * 100), tokens + (end - clock) * rate)
        clock = end
        ended = upstream.ended_before(end)
        figures = Figures(
            ended=len(ended),
            errors=sum(took >= TIMEOUT_MS for took in ended),
            slow=sum(took > law.target_ms for took in ended),
            duration_ms=round(sum(ended)),
            pressed=refused + (admitted if admitted >= rate * 500 else 0),
        )
        level = state.level
        state, reason = step(law, state, figures)
        past.append(Second(demand(second), admitted, upstream.workers * 1000 / SERVICE_MS, level, reason, figures))
    return past


class _Upstream:
    """Workers that take requests first in, first out."""

    def __init__(self, chance: random.Random) -> None:
        self.workers = 1
        self._chance = chance
        self._queue: deque[float] = deque()
        self._busy: list[float] = []
        self._ends: list[tuple[float, float]] = []

    def take(self, now: float) -> None:
        """A request arrives."""
        self._work_until(now)
        self._queue.append(now)
        self._start(now)

    def ended_before(self, now: float) -> list[float]:
        """How long each request took that has ended since the last call, in milliseconds."""
        self._work_until(now)
        took = []
        while self._ends and self._ends[0][0] < now:
            end, arrival = heapq.heappop(self._ends)
            took.append(end - arrival)
        return took

    def _work_until(self, now: float) -> None:
        while self._busy and self._busy[0] <= now:
            self._start(heapq.heappop(self._busy))

    def _start(self, now: float) -> None:
        while self._queue and len(self._busy) < self.workers:
            arrival = self._queue.popleft()
            free = now + self._chance.expovariate(1 / SERVICE_MS)
            heapq.heappush(self._busy, free)
            heapq.heappush(self._ends, (min(free, arrival + TIMEOUT_MS), arrival))
