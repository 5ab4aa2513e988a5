"""Counters in this process: what limits while Redis is away.

Every process counts for itself, so with N of them a caller may get up to N times a limit, for as long as Redis is
away. The number of counters is bounded; when it is full the one unused for longest starts over.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.store import Charge, Reading, State, Verdict, fits


def wall_clock_ms() -> int:
    """Milliseconds since the epoch: the windows of the fallback start when Redis's do."""
    return time.time_ns() // 1_000_000


class LocalStore:
    """A :class:`ratelimit_svc.store.Store` in memory, of at most ``capacity`` counters."""

    def __init__(self, capacity: int, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._capacity, self._clock_ms = capacity, clock_ms
        self._states: OrderedDict[str, State] = OrderedDict()

    def __len__(self) -> int:
        """Counters kept."""
        return len(self._states)

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then charge all or none. Never waits."""
        now_ms = self._clock_ms()
        readings = []
        for charge in charges:
            algorithm = ALGORITHMS[charge.limit.algorithm]
            state = algorithm.roll(self._states.get(charge.key), charge.limit.window_ms, now_ms)
            readings.append(Reading(algorithm.room(charge.limit, state, now_ms), state))
        allowed = all(fits(charge.hits, reading.room) for charge, reading in zip(charges, readings, strict=True))
        if allowed:
            for charge, reading in zip(charges, readings, strict=True):
                if charge.hits:
                    self._states[charge.key] = ALGORITHMS[charge.limit.algorithm].charge(reading.state, charge.hits)
                    self._states.move_to_end(charge.key)
        while len(self._states) > self._capacity:
            self._states.popitem(last=False)
        return Verdict(allowed, now_ms, tuple(readings))
