"""What limits while Redis is away: this process's share of every limit, and the memory of what it admitted.

**The bound.** With n processes and a limit of L hits, each process admits at most ceil(L / n), so all of them
together at most L + n - 1 in what one window is to the algorithm, however often Redis goes and comes within it. In a
window in which Redis goes away it may have admitted L before: L + (L + n - 1) at most. When Redis is back, all that
still counts is charged to it before it decides again, so what it admits for the rest of the window is only what the
outage left over. For every time that Redis loses its counters within a window, L more.

It takes that every process knows n. Who never reached Redis knows of its own service's workers only; processes that
start during an outage are not known to the others.

An uneven spread of a caller's requests over the processes admits less than the limit, never more.

Leases that are given back here are given back in Redis, wherever they were taken. Those taken here are not taken there:
their end may be told to another process. So L + (L + n - 1) is the most that is under way at a time, too.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis.slots import slot_of
from ratelimit_svc.store import Charge, Terms, Verdict, made


class Fallback:
    """A :class:`ratelimit_svc.store.Store` in memory, of at most ``capacity`` counters.

    ``processes``: how many share the limits. It is also what the stores of :mod:`ratelimit_svc.redis` ask for the
    debts to pay (``Debts``).
    """

    def __init__(self, counters: LocalStore, capacity: int, processes: Callable[[], int]) -> None:
        self._counters, self._capacity, self._processes = counters, capacity, processes
        self._owed = _Owed()

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all against the share, then make the charges as their modes say. Never waits."""
        processes = self._processes()
        verdict = await self._counters.decide([_shared(charge, processes) for charge in charges])
        for charge, reading in zip(charges, verdict.readings, strict=True):
            hits = made(charge, reading.room, allowed=verdict.allowed)
            if hits < 0 and charge.lease:
                self._owed.put(charge)
            elif hits and not charge.lease:
                self._owe(charge, hits)
        while len(self._owed) > self._capacity:
            self._owed.drop_oldest()
        return verdict

    def _owe(self, charge: Charge, hits: int) -> None:
        known = self._owed.pop((charge.key, ""))
        owed = hits + (known.hits if known is not None else 0)
        if owed > 0:
            self._owed.put(charge._replace(hits=owed, mode="add"))

    @property
    def owing(self) -> int:
        """Counters and leases that Redis is to be told of."""
        return len(self._owed)

    def take(self, most: int, mine: Callable[[int], bool]) -> list[Charge]:
        """Up to ``most`` charges for the slots that are ``mine``; who took them makes them or puts them back.

        What was admitted in a window that is over is forgotten.
        """
        processes = self._processes()
        taken: list[Charge] = []
        while not taken and (found := self._owed.take(most, mine)):
            for charge in found:
                used = charge.hits if charge.lease else self._counters.used(_shared(charge, processes))
                if used > 0:
                    taken.append(charge._replace(hits=min(charge.hits, used)))
        return taken

    def put_back(self, charges: Sequence[Charge]) -> None:
        """They could not be made."""
        for charge in charges:
            if charge.lease:
                self._owed.put(charge)
            else:
                self._owe(charge, charge.hits)


class _Owed:
    """Hits to add and leases to give back, by key and lease.

    Also by slot: while one node of a Cluster is away, the others are not to look through all that it is owed.
    """

    def __init__(self) -> None:
        self._charges: OrderedDict[tuple[str, str], Charge] = OrderedDict()
        self._slots: dict[int, dict[tuple[str, str], None]] = {}

    def __len__(self) -> int:
        return len(self._charges)

    def put(self, charge: Charge) -> None:
        at = (charge.key, charge.lease)
        self._charges[at] = charge
        self._slots.setdefault(slot_of(charge.key), {})[at] = None

    def pop(self, at: tuple[str, str]) -> Charge | None:
        charge = self._charges.pop(at, None)
        if charge is not None:
            slot = slot_of(charge.key)
            del self._slots[slot][at]
            if not self._slots[slot]:
                del self._slots[slot]
        return charge

    def drop_oldest(self) -> None:
        self.pop(next(iter(self._charges)))

    def take(self, most: int, mine: Callable[[int], bool]) -> list[Charge]:
        """Up to ``most``, of the slots that are ``mine``."""
        found = list(itertools.islice((at for slot, owed in self._slots.items() if mine(slot) for at in owed), most))
        return [charge for at in found if (charge := self.pop(at)) is not None]


def _shared(charge: Charge, processes: int) -> Charge:
    """The same charge, held to one process's share."""
    return charge._replace(terms=share(charge.terms, processes))


def share(terms: Terms, processes: int) -> Terms:
    """What one of ``processes`` may give of what ``terms`` allow: rounded up, so that a small limit is not none."""
    burst = None if terms.burst is None else -(-terms.burst // processes)
    return terms._replace(requests=-(-terms.requests // processes), burst=burst)
