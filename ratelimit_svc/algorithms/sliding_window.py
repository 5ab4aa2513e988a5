"""Sliding window counter: this window's hits, and the previous window's weighted by how much of it still counts.

The usual estimate of a true sliding window in constant space: it assumes that the previous window's hits were
spread evenly. No burst at a boundary gets through, yet a trailing window may admit up to twice ``requests`` if the
previous window's hits all came at its end. State: (index of the window, its hits, the previous window's hits).
"""

import math

from ratelimit_svc.policy import Limit
from ratelimit_svc.store import State


def roll(state: State | None, window_ms: int, now_ms: int) -> State:
    """The counts of the window ``now_ms`` is in and the one before; the stored ones if the clock went back."""
    index = now_ms // window_ms
    if state is None or state[0] < index - 1:
        return index, 0, 0
    if state[0] == index - 1:
        return index, 0, state[1]
    return state


def room(limit: Limit, state: State, now_ms: int) -> int:
    """What the current and the weighted previous window leave. The weighted share is rounded up: never too generous."""
    index, current, previous = state
    elapsed = max(0, now_ms - index * limit.window_ms)
    # the same operations on the same doubles as in Lua
    return limit.requests - current - math.ceil(float(previous) * (limit.window_ms - elapsed) / limit.window_ms)


def charge(state: State, hits: int) -> State:
    """Counts ``hits`` in the current window."""
    index, current, previous = state
    return index, current + hits, previous


def reset_ms(limit: Limit, state: State, now_ms: int) -> int:
    """Until the current window ends."""
    return (state[0] + 1) * limit.window_ms - now_ms


def wait_ms(limit: Limit, hits: int, state: State, now_ms: int) -> int:
    """Until enough of the previous window has slid out; or else, of this one once it is the previous."""
    wanted = max(hits, 1)
    left = reset_ms(limit, state, now_ms)
    if wanted > limit.requests:
        return left
    _, current, previous = state
    if current + wanted <= limit.requests:
        # the largest share of `previous` that leaves room weighs room / previous of a window: solve for the time
        return max(1, left - (limit.requests - current - wanted) * limit.window_ms // max(previous, 1))
    return left + max(0, limit.window_ms - (limit.requests - wanted) * limit.window_ms // current)
