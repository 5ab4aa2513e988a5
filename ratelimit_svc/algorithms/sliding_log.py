"""Sliding log: the time of every hit is kept. Any trailing window can admit ``requests``, and no more.

The only one that is exact, at the price of one entry for each millisecond in which something was admitted, of at most
``requests`` (see ``policy.LONGEST_LOG``).

State: (time it was last looked at, hits counted before the window, then for each entry its time and the hits counted up
to then). Twin of a sorted set in Redis.
"""

import bisect

from ratelimit_svc.algorithms.protocol import State
from ratelimit_svc.policy import LONGEST_LOG
from ratelimit_svc.store import Charge

ENOUGH = LONGEST_LOG
"""Hits counted of one call at most: as many as any log holds, and the count stays exact for 10^11 calls."""


def roll(charge: Charge, state: State | None, now_ms: int) -> State:
    """The entries that are still in the window that ends at ``now_ms``, or at the last entry if the clock went back."""
    if state is None or len(state) == 2:
        return now_ms, 0
    times = state[2::2]
    at = max(now_ms, times[-1])
    left = bisect.bisect_right(times, at - charge.terms.window_ms)
    if left == len(times):
        return at, 0
    base = state[1] if left == 0 else state[1 + 2 * left]
    return (at, base, *state[2 + 2 * left :])


def room(charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG001 - the same signature for every algorithm
    """What the hits in the window leave."""
    return charge.terms.requests - _used(state)


def add(charge: Charge, state: State, now_ms: int, hits: int) -> State:  # noqa: ARG001 - as above
    """Enters ``hits`` at the time of ``state``; what is given back is taken off the latest entries.

    What is charged to a full log joins the latest entry, which counts from then on: there are never more entries than
    ``requests``, whoever hammers at it.
    """
    at, base = state[:2]
    total = base + _used(state)
    if hits > 0:
        joins = len(state) > 2 and (state[-2] == at or _used(state) >= charge.terms.requests)
        return (at, base, *(state[2:-2] if joins else state[2:]), at, total + min(hits, ENOUGH))
    left = max(base, total + max(hits, -ENOUGH))
    kept = bisect.bisect_left(state[3::2], left)
    older = state[2 : 2 + 2 * kept]
    return (at, base, *older, state[2 + 2 * kept], left) if left > base else (at, 0)


def reset_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until the last entry has left the window, the one of this charge as well."""
    if charge.hits > 0 and charge.mode != "give_back":
        return state[0] + charge.terms.window_ms - now_ms
    return _emptied(charge, state, now_ms)


def wait_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until enough entries have left the window."""
    wanted = max(charge.hits, 1)
    if len(state) == 2:
        return charge.terms.window_ms
    if wanted > charge.terms.requests:
        return _emptied(charge, state, now_ms)
    first = bisect.bisect_left(state[3::2], state[-1] + wanted - charge.terms.requests)
    return max(1, state[2 + 2 * first] + charge.terms.window_ms - now_ms)


def _emptied(charge: Charge, state: State, now_ms: int) -> int:
    return max(1, state[-2] + charge.terms.window_ms - now_ms) if len(state) > 2 else 1


def _used(state: State) -> int:
    return state[-1] - state[1] if len(state) > 2 else 0
