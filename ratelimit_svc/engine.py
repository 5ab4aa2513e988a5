"""From what was asked and what the store said to one decision. Pure: the clock is the store's, in the verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ratelimit_svc.rules import MAX_HITS, Ask, Mistake
from ratelimit_svc.store import Charge, Mode, Reading, Terms, Verdict, fits, made

Outcome = Literal["ok", "over_limit", "fallback_ok", "fallback_over_limit"]
"""``fallback_``: decided by this process's own counters, because the store was away."""

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"))
_STRICTNESS: tuple[Mode, ...] = ("add", "shadow", "take", "always")


class Standing(NamedTuple):
    """How one counter stands after the call."""

    terms: Terms
    over: bool
    """It had no room for the call."""
    remaining: int
    """Hits left, at least 0. Of what refused a call something may be left: it asked for more."""
    reset_ms: int
    """Until a refused call would fit; else until the window ends. At least 1."""


@dataclass(frozen=True, slots=True)
class Status:
    """How one limit stands after the call: each of its rates, and the one a client should look at."""

    name: str
    enforced: bool
    """False: a shadow limit, or hits that were charged whatever there was room for. It refused nothing."""
    standings: tuple[Standing, ...]
    tightest: Standing
    """Of those without room the one to wait longest for, else the one with least left."""

    @property
    def over(self) -> bool:
        """This limit has no room for the call."""
        return self.tightest.over

    @property
    def refuses(self) -> bool:
        """The call is refused because of this limit."""
        return self.enforced and self.tightest.over


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one call."""

    allowed: bool
    outcome: Outcome
    statuses: tuple[Status | None, ...]
    """One for each descriptor, in the order asked; None where no limit applies."""
    limiting: Status | None
    """The limit a client should look at: of those that refuse the one to wait longest for, else the one with least
    left; requests at a time last. None when no enforced limit applies."""

    @property
    def reset_s(self) -> int:
        """``reset_ms`` of the limiting limit in whole seconds, rounded up; at least 1."""
        assert self.limiting is not None
        return math.ceil(self.limiting.tightest.reset_ms / 1000)

    def detail(self) -> str:
        """Why a call is refused, as one sentence without a full stop."""
        assert self.limiting is not None
        name, terms = self.limiting.name, self.limiting.tightest.terms
        if terms.requests == 0:
            return f'limit "{name}" allows no requests'
        return f'limit "{name}" allows {allowance(terms)}; try again in {self.reset_s} s'


def charges(asks: Sequence[Ask]) -> list[Charge]:
    """What to ask of the store. Descriptors about the same counter are charged together: each would fit alone.

    Raises Mistake for a call that takes from a counter and gives back to it, or is of two requests at a time.
    """
    merged: dict[str, Charge] = {}
    for ask in asks:
        for key, terms in ask.counters:
            known = merged.get(key)
            if known is None:
                merged[key] = Charge(key, terms, ask.hits, ask.mode, ask.lease)
            else:
                merged[key] = _together(known, ask, terms)
    return list(merged.values())


def _together(known: Charge, ask: Ask, terms: Terms) -> Charge:
    """Two charges of one counter as one. Two revisions of a limit may meet in a call: the stricter holds."""
    gives_back = "give_back" in {known.mode, ask.mode}
    if known.lease != ask.lease or (gives_back and known.mode != ask.mode):
        raise Mistake("contradictory", "a call says about one counter what cannot be true of one request")
    return Charge(
        known.key,
        min(known.terms, terms, key=lambda each: each.requests),
        max(known.hits, ask.hits) if ask.lease else min(known.hits + ask.hits, MAX_HITS),  # a lease is one
        ask.mode if gives_back else max(known.mode, ask.mode, key=_STRICTNESS.index),
        ask.lease,
    )


def conclude(asks: Sequence[Ask], charged: Sequence[Charge], verdict: Verdict, *, fallback: bool) -> Decision:
    """The decision on ``asks``, from the ``verdict`` on their ``charged`` (what :func:`charges` made of them)."""
    standing = {
        charge.key: _standing(charge, reading, verdict)
        for charge, reading in zip(charged, verdict.readings, strict=True)
    }
    statuses = tuple(_status(ask, standing) if ask.counters else None for ask in asks)
    if verdict.allowed:
        enforced = (status for status in statuses if status is not None and status.enforced)
        limiting = min(enforced, key=lambda status: _room_and_wait(status.tightest), default=None)
    else:
        refusing = (status for status in statuses if status is not None and status.refuses)
        limiting = max(refusing, key=lambda status: status.tightest.reset_ms)
    outcome: Outcome = "ok" if verdict.allowed else "over_limit"
    if fallback:
        outcome = "fallback_ok" if verdict.allowed else "fallback_over_limit"
    return Decision(verdict.allowed, outcome, statuses, limiting)


def _status(ask: Ask, standing: dict[str, Standing]) -> Status:
    standings = tuple(standing[counter.key] for counter in ask.counters)
    over = [each for each in standings if each.over]
    tightest = max(over, key=lambda each: each.reset_ms) if over else min(standings, key=_room_and_wait)
    return Status(ask.name, ask.mode in {"take", "always"}, standings, tightest)


def _room_and_wait(standing: Standing) -> tuple[bool, int, int]:
    """Orders counters that have room: the least left first, and the longest to go of those.

    Requests at a time come last. Of one that may do two at once, one is left all day: no reason to slow down.
    """
    return standing.terms.algorithm == "concurrency", standing.remaining, -standing.reset_ms


def _standing(charge: Charge, reading: Reading, verdict: Verdict) -> Standing:
    left = reading.room - made(charge, reading.room, allowed=verdict.allowed)
    over = not fits(charge.hits, reading.room)
    return Standing(charge.terms, over, max(0, min(left, charge.terms.requests)), reading.until_ms)


def allowance(terms: Terms) -> str:
    """What a counter allows, in words: ``100 requests per minute``, ``5 requests at once``.

    A bucket tells its burst where it is another number, a quota the time zone that its days are of.
    """
    requests = f"{terms.requests} request{'' if terms.requests == 1 else 's'}"
    if terms.algorithm == "concurrency":
        return f"{requests} at once"
    if terms.period is not None:
        return f"{requests} per {terms.period} ({terms.time_zone})"
    burst = 1 if terms.algorithm == "leaky_bucket" and terms.burst is None else terms.burst
    at_once = "" if burst in {None, terms.requests} else f", {burst} at once"
    return f"{requests} per {period(terms.window_ms)}{at_once}"


def period(window_ms: int) -> str:
    """A window in words that follow "per": ``minute``, ``5 minutes``, ``1500 ms``."""
    for unit_ms, unit in _UNITS:
        if window_ms % unit_ms == 0:
            count = window_ms // unit_ms
            return unit if count == 1 else f"{count} {unit}s"
    return f"{window_ms} ms"
