"""Counters in this process. Their number is bounded; when it is full the one unused for longest starts over."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.algorithms.protocol import State
from ratelimit_svc.store import Charge, Reading, Verdict, fits, made, refuses


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
        """Check all, then make the charges as their modes say. Never waits."""
        now_ms = self._clock_ms()
        states, readings = [], []
        for charge in charges:
            algorithm = ALGORITHMS[charge.terms.algorithm]
            state = algorithm.roll(charge, self._states.get(charge.key), now_ms)
            room = algorithm.room(charge, state, now_ms)
            until_ms = algorithm.reset_ms if fits(charge.hits, room) else algorithm.wait_ms
            states.append(state)
            readings.append(Reading(room, until_ms(charge, state, now_ms)))
        allowed = not any(refuses(charge, reading.room) for charge, reading in zip(charges, readings, strict=True))
        for charge, state, reading in zip(charges, states, readings, strict=True):
            hits = made(charge, reading.room, allowed=allowed)
            if hits:
                self._states[charge.key] = ALGORITHMS[charge.terms.algorithm].add(charge, state, now_ms, hits)
                self._states.move_to_end(charge.key)
        while len(self._states) > self._capacity:
            self._states.popitem(last=False)
        return Verdict(allowed, now_ms, tuple(readings))

    def used(self, charge: Charge) -> int:
        """Hits that the counter of ``charge`` has no room for because of what was charged before."""
        algorithm, now_ms = ALGORITHMS[charge.terms.algorithm], self._clock_ms()
        state = algorithm.roll(charge, self._states.get(charge.key), now_ms)
        return algorithm.room(charge, algorithm.roll(charge, None, now_ms), now_ms) - algorithm.room(
            charge, state, now_ms
        )
