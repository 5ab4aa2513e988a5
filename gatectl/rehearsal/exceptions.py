"""Overrides of limits in a rehearsal: those that were in force when they were read."""

from collections.abc import Iterable, Sequence

from ratelimit_svc.overrides import Override, Overrides
from ratelimit_svc.policy import Limit, Rate


class AsRead:
    """None of them ends, and none is added, while a rehearsal lasts."""

    def __init__(self, records: Iterable[Override] = ()) -> None:
        self._overrides = Overrides(records)

    def rates(self, name: str, limit: Limit, caller: str) -> Sequence[Rate] | None:
        """As ``ratelimit_svc.rules.Exceptions``. Whoever read them has left out what had ended."""
        return self._overrides.rates(name, limit, caller, now_ms=0)

    def epoch(self, _name: str, _caller: str) -> str:
        """Nothing: counters are fresh anyway."""
        return ""
