"""Token bucket: up to ``burst`` hits at once, refilled evenly with ``requests`` per window. Also known as GCRA.

Any trailing window can admit ``burst + requests - 1`` hits, and no more: a full bucket, and what is refilled meanwhile.
What is not said of ``burst`` is ``requests``, so a caller who was quiet for a window may have the whole of the next one
at once.

State: (time it was last looked at, what is used). Used up is counted in parts, so that all is whole numbers: a hit is
``window_ms`` parts, and ``requests`` parts come back each millisecond. Time is whole milliseconds, so the bucket holds
what comes back in one beside ``burst``, less a part: otherwise what was refilled since the last tick would run over,
and a small bucket would never give all of its ``requests``.
"""

from collections.abc import Callable

from ratelimit_svc.algorithms.protocol import MOST, State
from ratelimit_svc.store import Charge, Terms


class Bucket:
    """A :class:`ratelimit_svc.algorithms.protocol.Algorithm`; ``usual`` is the burst where none is said."""

    def __init__(self, usual: Callable[[Terms], int]) -> None:
        self._usual = usual

    def roll(self, charge: Charge, state: State | None, now_ms: int) -> State:
        """What is still used at ``now_ms``; nothing comes back while the clock is behind."""
        if state is None or state[1] == 0:  # a full bucket is what is not kept
            return now_ms, 0
        at, used = state
        return max(at, now_ms), max(0, used - max(0, now_ms - at) * charge.terms.requests)

    def room(self, charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG002 - the same for every algorithm
        """Whole tokens in the bucket."""
        return (self._capacity(charge.terms) - state[1]) // charge.terms.window_ms

    def add(self, charge: Charge, state: State, now_ms: int, hits: int) -> State:  # noqa: ARG002 - as above
        """Takes ``hits`` tokens. What is charged beyond an empty bucket is owed, a window's worth at most."""
        at, used = state
        requests, window = charge.terms.requests, charge.terms.window_ms
        most = min(self._capacity(charge.terms) + requests * window, MOST)
        return at, max(0, min(used + hits * window, max(used, most)))

    def reset_ms(self, charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG002 - as above
        """Until the bucket is full again."""
        hits = -charge.hits if charge.mode == "give_back" else charge.hits
        return _refilled(charge.terms, state[1] + hits * charge.terms.window_ms)

    def wait_ms(self, charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG002 - as above
        """Until enough has been refilled; until the bucket is full when there will never be enough."""
        most, wanted = self._capacity(charge.terms), max(charge.hits, 1) * charge.terms.window_ms
        return _refilled(charge.terms, state[1] if wanted > most else state[1] - (most - wanted))

    def _capacity(self, terms: Terms) -> int:
        if terms.requests == 0:
            return 0
        burst = self._usual(terms) if terms.burst is None else terms.burst
        return burst * terms.window_ms + terms.requests - 1


def _refilled(terms: Terms, parts: int) -> int:
    """Milliseconds, rounded up, in which so much comes back; at least 1."""
    return max(1, -(-parts // terms.requests)) if terms.requests else terms.window_ms


TOKEN_BUCKET = Bucket(lambda terms: terms.requests)
