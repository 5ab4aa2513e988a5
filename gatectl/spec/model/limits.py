"""How much a caller may have."""

from typing import Annotated, Literal

from pydantic import Field

from gatectl.fields import Duration, Name, Omittable, RateField
from gatectl.spec.model.section import Section
from ratelimit_svc.policy import Algorithm as LimitAlgorithm
from ratelimit_svc.policy import Dimension, OnStoreFailure

_Share = Annotated[int, Field(ge=0, le=99)]


class Adaptive(Section):
    """The limit goes down while what is behind it is in trouble, and up again (docs/adaptive-limits.md)."""

    min_percent: Annotated[int, Field(ge=1, le=99)] = 10
    """Of the limit, below which it does not go."""
    target_latency: Duration
    """A request that takes longer is slow."""
    max_slow_percent: _Share = 10
    """Of requests, that may be slow."""
    max_error_percent: _Share = 5
    """Of requests, that may be answered with a 5xx."""
    max_in_flight: Omittable[Annotated[int, Field(ge=1, le=10_000_000)]] = None
    """Requests of everybody under way at once, on average over a second."""


class RateLimit(Section):
    """At most ``limit`` for each distinct combination of the ``per`` values.

    ``routes``: only there (default: all). ``when``: only for callers whose dimension has one of these values.
    """

    name: Name
    per: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    limit: RateField
    algorithm: LimitAlgorithm = "sliding_window"
    adaptive: Omittable[Adaptive] = None
    routes: Omittable[tuple[Name, ...]] = None
    when: dict[Literal["role", "plan"], Annotated[tuple[Name, ...], Field(min_length=1)]] = {}


class RateLimiting(Section):
    """``deny`` refuses (503) while Redis is away, ``allow`` goes on with counters local to each service process."""

    when_redis_is_away: OnStoreFailure = "allow"
