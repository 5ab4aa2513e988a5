"""What an algorithm is, in Python."""

from typing import Protocol

from ratelimit_svc.store import Charge

State = tuple[int, ...]
"""A counter's state as its algorithm keeps it. The length is the algorithm's; every number is at most ``MOST``."""
MOST = 2**53
"""No counter goes beyond: Lua's doubles are exact up to here, and Redis replies with 64-bit integers."""


class Algorithm(Protocol):
    """One way to count. All functions are pure; times are milliseconds since the epoch, or durations in ms.

    ``charge`` brings the terms, the hits and the lease; ``state`` is always what ``roll`` made at ``now_ms``.
    """

    def roll(self, charge: Charge, state: State | None, now_ms: int) -> State:
        """The state at ``now_ms``, from the one that was stored last (None: nothing was)."""

    def room(self, charge: Charge, state: State, now_ms: int) -> int:
        """How many hits fit now; negative when the limit was lowered below what is used."""

    def add(self, charge: Charge, state: State, now_ms: int, hits: int) -> State:
        """The state after ``hits`` were charged, or given back when negative: never below nothing."""

    def reset_ms(self, charge: Charge, state: State, now_ms: int) -> int:
        """Until the current window ends, or the counter is as good as new after the charge, which fits; at least 1."""

    def wait_ms(self, charge: Charge, state: State, now_ms: int) -> int:
        """Until the charge would fit if nobody else called; the end of what is counted if never. At least 1."""
