"""Fixed windows, aligned to the epoch: at most ``requests`` in each.

Any trailing window can admit up to twice that, at the boundary of two windows. State: (index of the window, used).
"""

from ratelimit_svc.policy import Limit
from ratelimit_svc.store import State


def roll(state: State | None, window_ms: int, now_ms: int) -> State:
    """The count of the window that ``now_ms`` is in; of the stored one if the clock went back behind it."""
    index = now_ms // window_ms
    return state if state is not None and state[0] >= index else (index, 0)


def room(limit: Limit, state: State, now_ms: int) -> int:  # noqa: ARG001 - the same signature for every algorithm
    """What is left of the window."""
    return limit.requests - state[1]


def charge(state: State, hits: int) -> State:
    """Counts ``hits`` in the current window."""
    index, used = state
    return index, used + hits


def reset_ms(limit: Limit, state: State, now_ms: int) -> int:
    """Until the window ends."""
    return (state[0] + 1) * limit.window_ms - now_ms


def wait_ms(limit: Limit, hits: int, state: State, now_ms: int) -> int:  # noqa: ARG001 - as above
    """Until the window ends: nothing comes back before."""
    return reset_ms(limit, state, now_ms)
