"""Which limits hold on a route."""

from collections.abc import Sequence

from gatectl.spec.model import RateLimit


def names(limit: RateLimit, route: str) -> bool:
    """Whether a limit is for a route, whatever others say."""
    return limit.routes is None or route in limit.routes


def holding(limits: Sequence[RateLimit], route: str) -> tuple[RateLimit, ...]:
    """The limits that hold on a route: those that are for it, without those that one of them stands in for."""
    there = [limit for limit in limits if names(limit, route)]
    replaced = {name for limit in there for name in limit.instead_of}
    return tuple(limit for limit in there if limit.name not in replaced)


def replaced_by(limits: Sequence[RateLimit], name: str, route: str) -> str | None:
    """The limit that stands in for another one on a route; None when none does."""
    return next((limit.name for limit in limits if names(limit, route) and name in limit.instead_of), None)
