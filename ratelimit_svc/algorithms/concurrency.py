"""At most ``requests`` at a time. Each takes a lease, which is given back when its stream ends.

A lease whose end is never told (Envoy was killed) ends by itself after ``window_ms``; so does that of a stream that
lasts longer, and then more than ``requests`` are under way. A trailing window says nothing about it: any number of
requests may come and go, ``requests`` of them at a time. A lease that is held is not to be had again: two requests
under one name would count as one.

State: for each lease when it ends at the latest, and a number for its name. Twin of a sorted set in Redis.
"""

import hashlib

from ratelimit_svc.algorithms.protocol import State
from ratelimit_svc.store import Charge

NOBODY_KNOWS_MS = 1000
"""When a stream will end: a client is told to try again after so long."""


def roll(charge: Charge, state: State | None, now_ms: int) -> State:  # noqa: ARG001 - the same for every algorithm
    """The leases that have not ended."""
    pairs = zip(state[::2], state[1::2], strict=True) if state else ()
    return tuple(number for end, name in pairs if end > now_ms for number in (end, name))


def room(charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG001 - as above
    """Leases to be had; to who would take one under a name that is held, none."""
    left = charge.terms.requests - len(state) // 2
    takes = charge.hits > 0 and charge.mode != "give_back"
    return min(left, 0) if takes and _number(charge.lease) in state[1::2] else left


def add(charge: Charge, state: State, now_ms: int, hits: int) -> State:
    """Takes the lease of this request, one whatever its hits; gives it back when they are negative."""
    name = _number(charge.lease)
    pairs = [(end, held) for end, held in zip(state[::2], state[1::2], strict=True) if held != name]
    if hits > 0:
        pairs.append((now_ms + charge.terms.window_ms, name))
    return tuple(number for pair in pairs for number in pair)


def reset_ms(charge: Charge, state: State, now_ms: int) -> int:  # noqa: ARG001 - as above
    """A second, or the longest that a lease lasts when that is less."""
    return min(NOBODY_KNOWS_MS, charge.terms.window_ms)


wait_ms = reset_ms


def _number(lease: str) -> int:
    return int.from_bytes(hashlib.blake2b(lease.encode(), digest_size=6).digest())
