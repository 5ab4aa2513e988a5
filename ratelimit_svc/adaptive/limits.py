"""The adaptive limits of the policy in force: what is held back of a call, and what is learned from it."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from ratelimit_svc.adaptive.law import INTERVAL_MS, Figures, Law
from ratelimit_svc.adaptive.sharing import Levels
from ratelimit_svc.engine import Decision, Status
from ratelimit_svc.policy import LIMIT_KEY, STATUS_KEY, TIMES_KEY, Adaptive, Policy
from ratelimit_svc.rules import Ask, Descriptor, Policies
from ratelimit_svc.store import Terms

log = logging.getLogger(__name__)

_PRESSED = Figures(pressed=1)
_TIMES = re.compile(r"([0-9]{0,15}),([0-9]{0,15}),([0-9]{1,15})")
_REFUSED = "429"
"""Says nothing about an upstream: a limit refused, this one perhaps."""


def law_of(adaptive: Adaptive) -> Law:
    """The law that a limit of the policy is under."""
    return Law(
        floor=adaptive.least_percent / 100,
        target_ms=adaptive.target_latency_ms,
        max_slow=adaptive.max_slow_percent / 100,
        max_errors=adaptive.max_error_percent / 100,
        max_in_flight=adaptive.max_in_flight,
    )


def in_force(terms: Terms, level: float) -> Terms:
    """What of the numbers of a counter is in force: never nothing of something."""
    burst = None if terms.burst is None else max(1, int(terms.burst * level))
    return terms._replace(requests=max(min(1, terms.requests), int(terms.requests * level)), burst=burst)


def stream(entries: Mapping[str, str], law: Law) -> Figures | None:
    """What a stream that has ended came to, by its descriptor; None when it says nothing about the upstream."""
    status, times = entries.get(STATUS_KEY, ""), _TIMES.fullmatch(entries.get(TIMES_KEY, ""))
    if status == _REFUSED or times is None:
        return None
    failed = len(status) == len("5xx") and status.startswith("5")
    came, began, ended = times.groups()
    return Figures(ended=1, errors=failed, slow=_waited(came, began, ended) > law.target_ms, duration_ms=int(ended))


def _waited(came: str, began: str, ended: str) -> int:
    """How long the upstream had the whole request and did not begin to answer, in milliseconds.

    How fast a client sends and reads is not the upstream's doing, nor how long an answer or a WebSocket goes on.
    """
    return max(0, int(began or ended) - int(came)) if came else 0


class AdaptiveLimits:
    """Between a limiter and the levels. Only :meth:`exchange` waits for anything.

    A call is held to the law of the policy in force, also one that was routed by the revision before.
    """

    def __init__(self, policies: Policies, levels: Levels) -> None:
        self._policies, self._levels = policies, levels
        self._policy: Policy | None = None
        self._laws: dict[str, Law] = {}

    @property
    def laws(self) -> Mapping[str, Law]:
        """By limit, those of the policy in force."""
        if self._policies.current is not self._policy:
            self._policy = self._policies.current
            limits = self._policy.limits.items() if self._policy is not None else ()
            self._laws = {name: law_of(limit.adaptive) for name, limit in limits if limit.adaptive is not None}
        return self._laws

    def hold_back(self, asks: Sequence[Ask]) -> list[Ask]:
        """The same asks, to as much of their limits as is in force."""
        laws = self.laws
        return [self._held(ask, laws[ask.name]) if ask.name in laws else ask for ask in asks] if laws else list(asks)

    def _held(self, ask: Ask, law: Law) -> Ask:
        level = self._levels.level(ask.name, law)
        counters = tuple(counter._replace(terms=in_force(counter.terms, level)) for counter in ask.counters)
        return ask._replace(counters=counters)

    def learn(self, descriptors: Sequence[Descriptor], decision: Decision) -> None:
        """What a call says about limits: that they are met, or what became of a stream that has ended."""
        laws = self.laws
        if not laws:
            return
        for descriptor, status in zip(descriptors, decision.statuses, strict=True):
            entries = dict(descriptor.entries)
            name = entries.get(LIMIT_KEY, "")
            if name not in laws:
                continue
            if TIMES_KEY in entries:
                figures = stream(entries, laws[name])
                if figures is not None:
                    self._levels.note(name, figures)
            elif status is not None and _is_pressed(status):
                self._levels.note(name, _PRESSED)

    async def exchange(self) -> None:
        """Tell the other processes what was seen, and learn the levels of the next interval."""
        laws = self.laws
        if self._policy is not None:
            await self._levels.exchange(self._policy.gateway, laws)


def _is_pressed(status: Status) -> bool:
    """Whether a caller meets a limit: at least half of it is used."""
    return status.over or 2 * status.tightest.remaining <= status.tightest.terms.requests


@contextlib.asynccontextmanager
async def exchanging(limits: AdaptiveLimits) -> AsyncIterator[AdaptiveLimits]:
    """Exchange once per interval, for as long as the block lasts."""
    task = asyncio.create_task(_exchange(limits))
    try:
        yield limits
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _exchange(limits: AdaptiveLimits) -> None:
    while True:
        try:
            await limits.exchange()
        except Exception:
            log.exception("adaptive limits")
        await asyncio.sleep(INTERVAL_MS / 1000)
