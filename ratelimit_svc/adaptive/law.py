"""The control law of an adaptive limit. Pure: figures of the past interval in, the level for the next one out.

The level is the share of a limit's numbers that is in force: 1 is the whole limit, ``Law.floor`` the least. The law is
additive increase, multiplicative decrease (AIMD; Chiu and Jain 1989), with three changes. The cut is in proportion to
how bad it is (as DCTCP does, RFC 8257), so small trouble makes small waves. Close to where trouble began last time the
level rises slowly (as CUBIC does, RFC 9438). It rises only while somebody meets the limit (RFC 7661): a quiet night
says nothing about what an upstream can bear.
"""

from dataclasses import dataclass, replace
from typing import Literal

INTERVAL_MS = 1000
"""Between two decisions."""
RISE = 0.04
"""Most that the level rises in a step: from nothing to the whole limit in 25."""
GROWTH = 0.2
"""Most that it rises as a share of itself: a small level must not double because the limit is large."""
PROBING = 0.25
"""Of a rise, while the level is close to where trouble began last time."""
CLOSE = (0.85, 1.1)
"""From which to which multiple of that level is close to it."""
LEAST_CUT, MOST_CUT = 0.05, 0.4
"""Share of itself that the level loses in a step, from hardly any trouble to nothing but."""
CALM = 0.5
"""Of what is tolerated: with more than that the level does not rise. Between the two it rests."""
SAMPLE = 10
"""Requests that must have ended before they are judged: the tenth slowest of three says nothing."""
PATIENCE = 5
"""Intervals after which they are judged anyway: a limit that is down to one a second must get up again."""

Reason = Literal["raised", "latency", "errors", "in_flight", "near", "unused", "full", "settling", "waiting", "idle"]
"""Why the level is what it is. It fell for ``latency``, ``errors`` or ``in_flight``; it was ``raised``; or it stays:
``near`` what is tolerated, ``unused`` (nobody meets the limit), ``full`` (the whole limit), ``settling`` (what ended
was admitted before the last cut), ``waiting`` (too few requests ended to judge), ``idle`` (none did)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in an interval, to be added up over processes. Every number is at least 0.

    ``duration_ms`` is the sum over the requests that ended: divided by the time, it is how many were under way on
    average (Little's law), and unlike a counter of starts and ends it cannot leak.
    """

    ended: int = 0
    errors: int = 0
    """Of those that ended: with a 5xx."""
    slow: int = 0
    """Of those that ended: took longer than the target."""
    duration_ms: int = 0
    pressed: int = 0
    """Calls that were refused, or found at least half of their limit used."""

    def __add__(self, other: "Figures") -> "Figures":
        """The sum, number by number."""
        return Figures(
            self.ended + other.ended,
            self.errors + other.errors,
            self.slow + other.slow,
            self.duration_ms + other.duration_ms,
            self.pressed + other.pressed,
        )


NOTHING = Figures()


@dataclass(frozen=True, slots=True)
class Law:
    """What an adaptive limit aims at."""

    floor: float
    """Least level: above 0, at most 1."""
    target_ms: int
    """A request that the upstream takes longer to answer is slow."""
    max_slow: float = 0.1
    """Share of requests, 0 to 1 exclusive, that may be slow: 0.1 makes the target one for the 90th percentile."""
    max_errors: float = 0.05
    """Share of requests, 0 to 1 exclusive, that may fail."""
    max_in_flight: int | None = None
    """Requests under way at once, on average over an interval; None: any number."""

    @property
    def settle(self) -> int:
        """Intervals after a cut in which what ends was mostly admitted before it."""
        return 1 + self.target_ms // INTERVAL_MS


@dataclass(frozen=True, slots=True)
class State:
    """What the law remembers."""

    level: float = 1.0
    knee: float = 0.0
    """The level that was too much last time; 0 when none was, or it has been passed since."""
    settling: int = 0
    """Intervals that are not judged yet."""
    pending: Figures = NOTHING
    """What ended in the ``waited`` intervals before, too little to judge."""
    waited: int = 0


def step(law: Law, state: State, figures: Figures, intervals: int = 1) -> tuple[State, Reason]:
    """The state after so many more intervals, and why. The level is always within ``law.floor`` and 1."""
    state = replace(state, level=min(max(state.level, law.floor), 1.0))  # a new revision may have another floor
    if state.settling:
        return replace(state, settling=state.settling - 1), "settling"
    seen, intervals = state.pending + figures, state.waited + intervals
    if not seen.ended:
        return replace(state, pending=NOTHING, waited=0), "idle"
    if seen.ended < SAMPLE and intervals < PATIENCE:
        return replace(state, pending=seen, waited=intervals), "waiting"
    return _judged(law, replace(state, pending=NOTHING, waited=0), seen, intervals)


def _judged(law: Law, state: State, seen: Figures, intervals: int) -> tuple[State, Reason]:
    """The step that figures of so many intervals are reason for."""
    trouble, cause = _trouble(law, seen, intervals)
    if trouble > 0:
        level = max(law.floor, state.level * (1 - max(LEAST_CUT, MOST_CUT * min(trouble, 1.0))))
        return replace(state, level=level, knee=state.level, settling=law.settle), cause
    stays: tuple[tuple[bool, Reason], ...] = (
        (not seen.pressed, "unused"),
        (state.level == 1.0, "full"),
        (not _calm(law, seen, intervals), "near"),
    )
    reason = next((reason for holds, reason in stays if holds), None)
    return (_raised(state), "raised") if reason is None else (state, reason)


def _trouble(law: Law, seen: Figures, intervals: int) -> tuple[float, Reason]:
    """How bad it is, from 0 (all is well) to 1 (nothing is), and what is worst."""
    in_flight = seen.duration_ms / (intervals * INTERVAL_MS)
    found: list[tuple[float, Reason]] = [
        (_excess(seen.errors / seen.ended, law.max_errors), "errors"),
        (_excess(seen.slow / seen.ended, law.max_slow), "latency"),
    ]
    if law.max_in_flight is not None and in_flight > law.max_in_flight:
        found.append((1 - law.max_in_flight / in_flight, "in_flight"))
    return max(found, key=lambda one: one[0])


def _excess(share: float, tolerated: float) -> float:
    """How much of what is not tolerated is used up: 0 within what is, 1 when everything goes wrong."""
    return max(0.0, (share - tolerated) / (1 - tolerated))


def _calm(law: Law, seen: Figures, intervals: int) -> bool:
    """Is there room below what is tolerated? A single bad request among few is no reason to rest."""
    in_flight = seen.duration_ms / (intervals * INTERVAL_MS)
    return (
        seen.errors <= max(1, CALM * law.max_errors * seen.ended)
        and seen.slow <= max(1, CALM * law.max_slow * seen.ended)
        and (law.max_in_flight is None or in_flight <= (1 + CALM) / 2 * law.max_in_flight)
    )


def _raised(state: State) -> State:
    """One step up. It stops at the edge of where trouble began last time, and goes on slowly from there."""
    rise = min(RISE, GROWTH * state.level)
    start, end = (edge * state.knee for edge in CLOSE)
    if state.level < start:
        level = min(state.level + rise, start)
    elif state.level < end:
        level = min(state.level + PROBING * rise, end)
    else:
        return replace(state, level=min(state.level + rise, 1.0), knee=0.0)
    return replace(state, level=min(level, 1.0))
