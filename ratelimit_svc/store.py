"""What a store of counters does: decide over several at once, and charge all of them or none."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from ratelimit_svc.policy import Algorithm, Period

Mode = Literal["take", "shadow", "always", "add", "give_back"]
"""What becomes of a charge.

``take``: refuses the call when it does not fit; made when the whole call is admitted. ``shadow``: never refuses; made
when the call is admitted and it fits. ``always``: refuses like ``take``, and is made even so. ``add``: made, whatever
there is room for. ``give_back``: what was charged before is taken off again, never below nothing.
"""


class Terms(NamedTuple):
    """What a counter is held to. ``burst`` None: what is usual for the algorithm. ``period`` in ``time_zone``."""

    algorithm: Algorithm
    requests: int
    window_ms: int
    burst: int | None = None
    period: Period | None = None
    time_zone: str = "UTC"


class Charge(NamedTuple):
    """``hits`` for the counter ``key``. No two charges of one call have the same key.

    ``lease`` names the request, for counters that get something back when its stream ends.
    """

    key: str
    terms: Terms
    hits: int
    mode: Mode = "take"
    lease: str = ""


class Reading(NamedTuple):
    """A counter as it stood before the call.

    ``room``: the hits that fitted (negative after a limit was lowered). ``until_ms``: if the charge did not fit, until
    it would if nobody else called; else until its window ends, or it is as good as new after the charge. At least 1.
    """

    room: int
    until_ms: int


class Verdict(NamedTuple):
    """``allowed``: no charge refused the call. Readings are in charge order."""

    allowed: bool
    now_ms: int
    """The store's clock, milliseconds since the epoch."""
    readings: tuple[Reading, ...]


class StoreUnavailableError(Exception):
    """The store gave no answer in time. It may or may not have made the charges."""


class Store(Protocol):
    """Something that keeps counters."""

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then make the charges as their modes say, atomically. Raises StoreUnavailableError."""


def fits(hits: int, room: int) -> bool:
    """Whether ``hits`` are admitted. A look (0 hits) is, when there is room for one."""
    return room >= max(hits, 1)


def refuses(charge: Charge, room: int) -> bool:
    """Whether a charge refuses its call."""
    return charge.mode in {"take", "always"} and not fits(charge.hits, room)


def made(charge: Charge, room: int, *, allowed: bool) -> int:
    """The hits that a call charges to a counter; negative when they are given back."""
    match charge.mode:
        case "take":
            return charge.hits if allowed else 0
        case "shadow":
            return charge.hits if allowed and fits(charge.hits, room) else 0
        case "give_back":
            return -charge.hits
        case _:
            return charge.hits
