"""What docs/rate-limits.md says of each algorithm, as formulas, and the brute force that recorded calls are held to."""

from collections.abc import Iterable, Sequence

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


def worst(admitted: Admitted, window_ms: int) -> int:
    """The most that was admitted in any trailing window: every one that ends with a call is looked at."""
    return max((sum(h for at, h in admitted if end - window_ms < at <= end) for end, _ in admitted), default=0)


def most_at_a_time(held: Iterable[tuple[int, int]]) -> int:
    """The most leases that were held at once. Each is held from a time up to, and without, another."""
    leases = list(held)
    return max((sum(start <= at < end for start, end in leases) for at, _ in leases), default=0)
