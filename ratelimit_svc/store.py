"""What a store of counters does: decide over several at once, and charge all of them or none."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ratelimit_svc.policy import Limit

State = tuple[int, ...]
"""A counter's state as its algorithm keeps it. The length is the algorithm's; every number is at most 2^54."""


class Charge(NamedTuple):
    """``hits`` to add to the counter ``key`` of ``limit``. No two charges of one call have the same key."""

    key: str
    limit: Limit
    hits: int


class Reading(NamedTuple):
    """A counter as it stood before the call: the hits it had ``room`` for (negative after a limit was lowered)."""

    room: int
    state: State


class Verdict(NamedTuple):
    """``allowed``: every charge fitted and all were made; otherwise none was made. Readings are in charge order."""

    allowed: bool
    now_ms: int
    """The store's clock, milliseconds since the epoch."""
    readings: tuple[Reading, ...]


class StoreUnavailableError(Exception):
    """The store gave no answer in time. It may or may not have made the charges."""


class Store(Protocol):
    """Something that keeps counters."""

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then charge all or none, atomically. Raises StoreUnavailableError."""


def fits(hits: int, room: int) -> bool:
    """Whether ``hits`` are admitted. A look (0 hits) is, when there is room for one."""
    return room >= max(hits, 1)
