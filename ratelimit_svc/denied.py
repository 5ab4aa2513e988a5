"""Calls that were refused, remembered until they would fit: who hammers at a closed door does not reach Redis.

What is remembered is the call: the same charges get the same answer, less the time that went by. The terms are part
of it, so a limit that was changed, or overridden for a user, is asked about anew. Nothing is remembered of a call that
changes a counter although it is refused, nor of limits that get something back when a stream ends.

Only in a Cluster may a call be refused by what another call takes for a moment and gives back; there an answer is kept
for no longer than ``longest_ms``.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ratelimit_svc import telemetry
from ratelimit_svc.store import Charge, Reading, Store, Terms, Verdict, refuses

_Call = tuple[tuple[str, Terms, int, str], ...]
MOST_CHARGES = 16
"""Of a call that is remembered, so that the memory for calls is bounded: 1 KB for each charge, about."""


class _Denial(NamedTuple):
    verdict: Verdict
    asked_ms: int
    until_ms: int


class Denied:
    """At most ``capacity`` refused calls, the longest unused dropped first. ``clock_ms`` is monotonic."""

    def __init__(self, capacity: int, clock_ms: Callable[[], int], longest_ms: int | None = None) -> None:
        self._capacity, self._clock_ms, self._longest_ms = capacity, clock_ms, longest_ms
        self._denials: OrderedDict[_Call, _Denial] = OrderedDict()
        self._generation = 0
        self.refunds = 0
        """Calls of this process that gave hits back."""

    def __len__(self) -> int:
        """Calls remembered."""
        return len(self._denials)

    def forget(self) -> None:
        """Counters may have changed otherwise than by being charged: Redis was away or flushed, hits came back."""
        self._denials.clear()
        self._generation += 1

    def now(self) -> tuple[int, int]:
        """What :meth:`learn` needs from before the store was asked."""
        return self._clock_ms(), self._generation

    def answer(self, charges: Sequence[Charge]) -> Verdict | None:
        """The refusal of a call, None when the store must be asked."""
        call = _call(charges)
        denial = self._denials.get(call)
        if denial is None:
            return None
        now_ms = self._clock_ms()
        if now_ms >= denial.until_ms:
            del self._denials[call]
            return None
        self._denials.move_to_end(call)
        verdict, gone_ms = denial.verdict, now_ms - denial.asked_ms
        readings = tuple(Reading(room, max(1, until_ms - gone_ms)) for room, until_ms in verdict.readings)
        return Verdict(verdict.allowed, verdict.now_ms + gone_ms, readings)

    def learn(self, asked: tuple[int, int], charges: Sequence[Charge], verdict: Verdict) -> None:
        """What the store said to a call. ``asked``: :meth:`now` before the question: nothing is held too long."""
        asked_ms, generation = asked
        if verdict.allowed or generation != self._generation or len(charges) > MOST_CHARGES:
            return
        if any(charge.mode not in {"take", "shadow"} or charge.lease for charge in charges):
            return
        pairs = zip(charges, verdict.readings, strict=True)
        until_ms = min(reading.until_ms for charge, reading in pairs if refuses(charge, reading.room))
        if self._longest_ms is not None:
            until_ms = min(until_ms, self._longest_ms)
        self._denials[_call(charges)] = _Denial(verdict, asked_ms, asked_ms + until_ms)
        while len(self._denials) > self._capacity:
            self._denials.popitem(last=False)


class DeniedFirst:
    """A :class:`ratelimit_svc.store.Store` before another: what ``denied`` knows is not asked again."""

    def __init__(self, store: Store, denied: Denied) -> None:
        self._store, self._denied = store, denied

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """The refusal that is remembered, else the store's answer. Raises StoreUnavailableError."""
        known = self._denied.answer(charges)
        if known is not None:
            telemetry.DENIED_AGAIN.inc()
            return known
        asked = self._denied.now()
        verdict = await self._store.decide(charges)
        if any(charge.mode == "give_back" and not charge.lease for charge in charges):
            self._denied.refunds += 1
            self._denied.forget()  # what was refused may fit now
        self._denied.learn(asked, charges, verdict)
        return verdict


def _call(charges: Sequence[Charge]) -> _Call:
    return tuple((charge.key, charge.terms, charge.hits, charge.mode) for charge in charges)
