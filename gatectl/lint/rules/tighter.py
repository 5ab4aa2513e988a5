"""Which rate limit can never refuse a request that another one would not refuse too."""

from collections.abc import Iterator, Sequence

from gatectl.spec.model import RateLimit
from gatectl.spec.model.allowance import Allowance


def never_first(limits: Sequence[RateLimit]) -> Iterator[tuple[int, int]]:
    """Pairs (loose, tight) of indices; of two limits that are the same, the later one is loose."""
    by_route: dict[str | None, list[int]] = {}
    for index, limit in enumerate(limits):
        for route in (None,) if limit.routes is None else limit.routes:
            by_route.setdefault(route, []).append(index)
    replaced = {name for limit in limits for name in limit.instead_of}
    for loose, limit in enumerate(limits):
        # a limit that counts wherever this one does counts on its first route
        near = by_route.get(limit.routes[0], []) if limit.routes else []
        tighter = (
            tight
            for tight in (*by_route.get(None, ()), *near)
            if tight != loose
            and limits[tight].name not in replaced
            and _holds_back(limits[tight], limit)
            and (tight < loose or not _holds_back(limit, limits[tight]))
        )
        tight = next(tighter, None)
        if tight is not None and limit.routes != ():
            yield loose, tight


def _holds_back(tight: RateLimit, loose: RateLimit) -> bool:
    """Whether a counter of ``loose`` can never be full while the one of ``tight`` for the same request has room."""
    return (
        _plain(tight)
        and _plain(loose)
        and set(tight.per) <= set(loose.per)
        and (tight.routes is None or (loose.routes is not None and set(loose.routes) <= set(tight.routes)))
        and all(set(loose.when.get(key, ())) <= set(values) and key in loose.when for key, values in tight.when.items())
        and all(
            any(one.requests >= other.requests * _windows(tight, loose, other, one) for other in tight.limit)
            for one in loose.limit
        )
    )


def _plain(limit: RateLimit) -> bool:
    """Whether a limit counts the requests of everybody alike, in windows, and refuses."""
    special = limit.plans or limit.exempt or limit.response_cost or limit.instead_of or limit.count_refused
    return limit.algorithm in {"sliding_window", "fixed_window"} and limit.enforce and not special


def _windows(tight: RateLimit, loose: RateLimit, held: Allowance, free: Allowance) -> int:
    """How many windows of ``tight`` can add to what ``loose`` counts at one time; never too few.

    Windows start at multiples of their length. A fixed window counts itself, a sliding one also a share of the window
    before, so that both together weigh no more than one window and the part of a window that is under way.
    """
    mine, other = free.window_ms, held.window_ms
    if mine == other and (tight.algorithm == "sliding_window" or loose.algorithm == "fixed_window"):
        return 1
    spans = 1 if loose.algorithm == "fixed_window" else 2
    if mine % other == 0:
        return mine // other + spans - 1
    if other % mine == 0:
        return spans
    return spans * mine // other + 2
