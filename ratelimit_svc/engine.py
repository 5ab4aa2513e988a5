"""From what was asked and what the store said to one decision. Pure: the clock is the store's, in the verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.policy import Limit
from ratelimit_svc.rules import MAX_HITS, Ask
from ratelimit_svc.store import Charge, Reading, Verdict, fits

Outcome = Literal["ok", "over_limit", "fallback_ok", "fallback_over_limit"]
"""``fallback_``: decided by this process's own counters, because the store was away."""

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"))


@dataclass(frozen=True, slots=True)
class Status:
    """How one limit stands after the call."""

    name: str
    limit: Limit
    over: bool
    """This limit has no room for the call."""
    remaining: int
    """Hits left, at least 0. A refused call charges nothing, so something may be left of a limit that refused it."""
    reset_ms: int
    """Until a refused call would fit, or for an admitted one, until the current window ends. At least 1."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one call."""

    allowed: bool
    outcome: Outcome
    statuses: tuple[Status | None, ...]
    """One for each descriptor, in the order asked; None where no limit applies."""
    limiting: Status | None
    """The limit a client should look at: of those that refuse the one to wait longest for, else the one with least
    left. None when no limit applies."""

    @property
    def reset_s(self) -> int:
        """``reset_ms`` of the limiting limit in whole seconds, rounded up; at least 1."""
        assert self.limiting is not None
        return math.ceil(self.limiting.reset_ms / 1000)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Response headers for the client: the most constrained limit, and when to come back if refused."""
        status = self.limiting
        if status is None:
            return ()
        headers = (
            ("x-ratelimit-limit", str(status.limit.requests)),
            ("x-ratelimit-remaining", str(status.remaining)),
            ("x-ratelimit-reset", str(self.reset_s)),
        )
        return headers if self.allowed else (*headers, ("retry-after", str(self.reset_s)))

    def detail(self) -> str:
        """Why a call is refused, as one sentence without a full stop."""
        assert self.limiting is not None
        name, limit = self.limiting.name, self.limiting.limit
        if limit.requests == 0:
            return f'limit "{name}" allows no requests'
        plural = "" if limit.requests == 1 else "s"
        return (
            f'limit "{name}" allows {limit.requests} request{plural} per {period(limit.window_ms)}; '
            f"try again in {self.reset_s} s"
        )


def charges(asks: Sequence[Ask]) -> list[Charge]:
    """What to ask of the store. Descriptors about the same counter are charged together: each would fit alone."""
    merged: dict[str, Charge] = {}
    for counter, hits in asks:
        if counter is None:
            continue
        known = merged.get(counter.key)
        if known is None:
            merged[counter.key] = Charge(counter.key, counter.limit, hits)
        else:
            # two revisions of one limit may meet in a call: the stricter number holds
            limit = min(known.limit, counter.limit, key=lambda each: each.requests)
            merged[counter.key] = Charge(counter.key, limit, min(known.hits + hits, MAX_HITS))
    return list(merged.values())


def conclude(asks: Sequence[Ask], charged: Sequence[Charge], verdict: Verdict, *, fallback: bool) -> Decision:
    """The decision on ``asks``, from the ``verdict`` on their ``charged`` (what :func:`charges` made of them)."""
    standing = {charge.key: (charge, reading) for charge, reading in zip(charged, verdict.readings, strict=True)}
    statuses = tuple(
        None if counter is None else _status(counter.name, *standing[counter.key], verdict) for counter, _ in asks
    )
    applied = [status for status in statuses if status is not None]
    if verdict.allowed:
        limiting = min(applied, key=lambda status: (status.remaining, -status.reset_ms), default=None)
    else:
        limiting = max((status for status in applied if status.over), key=lambda status: status.reset_ms)
    outcome: Outcome = "ok" if verdict.allowed else "over_limit"
    if fallback:
        outcome = "fallback_ok" if verdict.allowed else "fallback_over_limit"
    return Decision(verdict.allowed, outcome, statuses, limiting)


def _status(name: str, charge: Charge, reading: Reading, verdict: Verdict) -> Status:
    limit, algorithm = charge.limit, ALGORITHMS[charge.limit.algorithm]
    over = not fits(charge.hits, reading.room)
    if over:
        reset_ms = algorithm.wait_ms(limit, charge.hits, reading.state, verdict.now_ms)
    else:
        reset_ms = algorithm.reset_ms(limit, reading.state, verdict.now_ms)
    left = reading.room - charge.hits if verdict.allowed else reading.room
    return Status(name, limit, over, max(0, left), reset_ms)


def period(window_ms: int) -> str:
    """A window in words that follow "per": ``minute``, ``5 minutes``, ``1500 ms``."""
    for unit_ms, unit in _UNITS:
        if window_ms % unit_ms == 0:
            count = window_ms // unit_ms
            return unit if count == 1 else f"{count} {unit}s"
    return f"{window_ms} ms"
