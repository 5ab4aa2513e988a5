"""Who is being limited: refusals counted by limit and caller, minute by minute. Shared with gatectl, which reads them.

Pure: no I/O, no clock.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ratelimit_svc.keys import polled_key

MINUTES = 16
"""Kept, the one that is running included."""
MOST = 500
"""Callers that a process remembers between two reports, and that are kept of a minute: those with most refusals."""


class Refused(NamedTuple):
    """A caller that a limit refuses: what it counts by, as ``(dimension, value)``."""

    limit: str
    caller: tuple[tuple[str, str], ...]


class Seen(NamedTuple):
    """How often in the minutes that were asked for, and the first and the last of them (Unix minutes)."""

    refused: Refused
    times: int
    first: int
    last: int


def write(refused: Refused) -> str:
    """As a member of a minute; ``read`` takes it."""
    return json.dumps(refused)


def read(text: str) -> Refused:
    """What ``write`` made a text of. Raises ValueError for anything else."""
    try:
        limit, caller = json.loads(text)
        return Refused(str(limit), tuple((str(name), str(value)) for name, value in caller))
    except TypeError as error:
        raise ValueError("not a caller") from error


def minute_keys(gateway: str) -> list[str]:
    """The Redis sorted sets: minute ``m`` since the epoch is in that of ``m % MINUTES``, until its turn comes again."""
    return [polled_key(gateway, f"refused:{index}") for index in range(MINUTES)]


def seen(minutes: Mapping[int, Iterable[tuple[str, float]]], limits: Sequence[str] = ()) -> list[Seen]:
    """Callers with most refusals first, from the members of each minute; of these ``limits`` only, if there are any."""
    times: Counter[Refused] = Counter()
    when: dict[Refused, list[int]] = {}
    for minute, members in minutes.items():
        for text, count in members:
            try:
                refused = read(text)
            except ValueError:
                continue  # of another version
            if not limits or refused.limit in limits:
                times[refused] += int(count)
                when.setdefault(refused, []).append(minute)
    ordered = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    return [Seen(refused, count, min(when[refused]), max(when[refused])) for refused, count in ordered]


class Tally:
    """Refusals that have not been reported yet: of at most ``most`` callers, ``lost`` are those of others."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._times = most, Counter[Refused]()
        self.lost = 0

    def add(self, refused: Refused, times: int = 1) -> None:
        """A caller was refused."""
        if refused in self._times or len(self._times) < self._most:
            self._times[refused] += times
        else:
            self.lost += times

    def take(self) -> dict[Refused, int]:
        """What there is, which is then no longer here."""
        taken, self._times = dict(self._times), Counter()
        return taken
