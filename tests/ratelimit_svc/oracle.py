"""What docs/rate-limits.md says of each algorithm, as formulas, and the brute force that recorded calls are held to.

It knows nothing of how the algorithms keep what they count: only what was admitted, and when.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, floor
from zoneinfo import ZoneInfo

from ratelimit_svc.store import Terms

Admitted = Sequence[tuple[int, int]]
"""(Redis's clock in milliseconds, hits) of every call that was let through, in any order."""


def largest(terms: Terms) -> int:
    """The most that ``window_ms`` consecutive milliseconds can admit."""
    requests, window = terms.requests, terms.window_ms
    match terms.algorithm:
        case "sliding_log":
            return requests
        case "sliding_window":
            return max(requests, 2 * requests - -(-2 * requests // window))
        case "token_bucket" | "leaky_bucket":
            usual = requests if terms.algorithm == "token_bucket" else 1
            return (usual if terms.burst is None else terms.burst) + requests - 1 if requests else 0
        case _:
            return 2 * requests if window > 1 else requests


def left(terms: Terms, admitted: Admitted, now: int) -> int:
    """Hits that fit at a time, by the words of the documentation, after what was admitted before, in order."""
    requests, window = terms.requests, terms.window_ms
    match terms.algorithm:
        case "sliding_log":
            return requests - sum(hits for at, hits in admitted if at > now - window)
        case "fixed_window":
            return requests - sum(hits for at, hits in admitted if at // window == now // window)
        case "sliding_window":
            current = sum(hits for at, hits in admitted if at // window == now // window)
            before = sum(hits for at, hits in admitted if at // window == now // window - 1)
            return requests - current - ceil(before * Fraction(window - now % window, window))
        case "quota":
            day = _day(terms, now)
            return requests - sum(hits for at, hits in admitted if _day(terms, at) == day)
        case _:
            usual = requests if terms.algorithm == "token_bucket" else 1
            most = (usual if terms.burst is None else terms.burst) + Fraction(requests - 1, window) if requests else 0
            held, last = Fraction(most), now
            for at, hits in [*admitted, (now, 0)]:
                held = min(most, held + max(0, at - last) * Fraction(requests, window)) - hits
                last = at
            return floor(held)


def _day(terms: Terms, at: int) -> dt.date:
    return dt.datetime.fromtimestamp(at // 1000, ZoneInfo(terms.time_zone)).date()


def worst(admitted: Admitted, window_ms: int) -> int:
    """The most that was admitted in any trailing window: every one that ends with a call is looked at."""
    return max((sum(h for at, h in admitted if end - window_ms < at <= end) for end, _ in admitted), default=0)


def most_at_a_time(held: Iterable[tuple[int, int]]) -> int:
    """The most leases that were held at once. Each is held from a time up to, and without, another."""
    leases = list(held)
    return max((sum(start <= at < end for start, end in leases) for at, _ in leases), default=0)
