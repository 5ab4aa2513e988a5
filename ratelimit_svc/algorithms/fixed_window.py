"""Fixed windows, aligned to the epoch: at most ``requests`` in each.

Any trailing window can admit ``2 * requests``, at the boundary of two windows, and no more.

State: (index of the window, used).
"""

from ratelimit_svc.algorithms.protocol import MOST, State
from ratelimit_svc.store import Charge


def roll(charge: Charge, state: State | None, now_ms: int) -> State:
    """The count of the window that ``now_ms`` is in; of the stored one if the clock went back behind it."""
    index = now_ms // charge.terms.window_ms
    return state if state is not None and state[0] >= index else (index, 0)


def room(charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG001 - the same signature for every algorithm
    """What is left of the window."""
    return charge.terms.requests - state[1]


def add(charge: Charge, state: State, now_ms: int, hits: int) -> State:  # noqa: ARG001 - as above
    """Counts ``hits`` in the current window."""
    index, used = state
    return index, min(max(0, used + hits), MOST)


def reset_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until the window ends."""
    return (state[0] + 1) * charge.terms.window_ms - now_ms


wait_ms = reset_ms
"""Until the window ends: nothing comes back before."""
