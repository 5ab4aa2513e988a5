"""Days, weeks and months in a time zone, in milliseconds since the epoch."""

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from ratelimit_svc.policy import Period

_HOUR_MS = 3_600_000
_AROUND = 2
"""Periods before and after the present one that Redis's clock may be in."""


def period_at(period: Period, time_zone: str, time_ms: int) -> tuple[int, int]:
    """Start and end of the period that a time is in."""
    start, end = _period(period, time_zone, time_ms // _HOUR_MS * _HOUR_MS)
    # an hour before: some zones have their midnight at half past
    return (start, end) if start <= time_ms < end else _period(period, time_zone, time_ms)


@lru_cache(maxsize=1024)
def boundaries(period: Period, time_zone: str, hour: int) -> str:
    """The starts of the periods around an hour since the epoch, and of the one after them: ``quota.lua`` reads them.

    Enough of them that the clock of Redis may be a day away from that of whoever asks, or two.
    """
    start, end = _period(period, time_zone, hour * _HOUR_MS)
    found = [start, end]
    for _ in range(_AROUND):
        found.insert(0, _period(period, time_zone, found[0] - 1)[0])
        found.append(_period(period, time_zone, found[-1])[1])
    return " ".join(map(str, found))


@lru_cache(maxsize=1024)
def _period(period: Period, time_zone: str, time_ms: int) -> tuple[int, int]:
    zone = ZoneInfo(time_zone)
    day = dt.datetime.fromtimestamp(time_ms / 1000, zone).date()
    if period == "month":
        first = day.replace(day=1)
        following = (first + dt.timedelta(days=31)).replace(day=1)
    elif period == "week":
        first = day - dt.timedelta(days=day.weekday())
        following = first + dt.timedelta(days=7)
    else:
        first, following = day, day + dt.timedelta(days=1)
    start, end = (dt.datetime.combine(each, dt.time(), zone).timestamp() * 1000 for each in (first, following))
    return round(start), round(end)
