"""Sliding window counter: this window's hits, and the previous window's weighted by how much of it still counts.

The usual estimate of a true sliding window in constant space: it assumes that the previous window's hits were
spread evenly. Any trailing window can admit ``2 * requests - ceil(2 * requests / window_ms)``, and no more: when the
previous window's hits all came in its last millisecond, and callers take at once whatever they are let.

State: (index of the window, its hits, the previous window's hits).
"""

import math

from ratelimit_svc.algorithms.protocol import MOST, State
from ratelimit_svc.store import Charge


def roll(charge: Charge, state: State | None, now_ms: int) -> State:
    """The counts of the window ``now_ms`` is in and the one before; the stored ones if the clock went back."""
    index = now_ms // charge.terms.window_ms
    if state is None or state[0] < index - 1:
        return index, 0, 0
    if state[0] == index - 1:
        return index, 0, state[1]
    return state


def room(charge: Charge, state: State, now_ms: int) -> int:
    """What the current and the weighted previous window leave. The weighted share is rounded up: never too generous."""
    index, current, previous = state
    window = charge.terms.window_ms
    elapsed = max(0, now_ms - index * window)
    # the same operations on the same doubles as in Lua
    share = math.ceil(float(previous) * (window - elapsed) / window)
    return int(float(charge.terms.requests - current) - float(share))


def add(charge: Charge, state: State, now_ms: int, hits: int) -> State:  # noqa: ARG001 - the same for every algorithm
    """Counts ``hits`` in the current window."""
    index, current, previous = state
    return index, min(max(0, current + hits), MOST), previous


def reset_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until the current window ends."""
    return (state[0] + 1) * charge.terms.window_ms - now_ms


def wait_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until enough of the previous window has slid out; or else, of this one once it is the previous."""
    requests, window, wanted = charge.terms.requests, charge.terms.window_ms, max(charge.hits, 1)
    left = reset_ms(charge, state, now_ms)
    if wanted > requests:
        return left
    _, current, previous = state
    if current + wanted <= requests:
        # the largest share of `previous` that leaves room weighs room / previous of a window: solve for the time
        return max(1, left - _share(requests - current - wanted, window, max(previous, 1)))
    return left + max(0, window - _share(requests - wanted, window, current))


def _share(part: int, window_ms: int, of: int) -> int:
    """``part / of`` of a window, as Lua's doubles have it."""
    return math.floor(float(part) * window_ms / of)
