"""How much a caller may have."""

from typing import Annotated, Literal

from pydantic import Field

from gatectl.fields import Name, Omittable, RateField
from gatectl.spec.model.section import Section
from ratelimit_svc.policy import Algorithm as LimitAlgorithm
from ratelimit_svc.policy import Dimension, OnStoreFailure


class RateLimit(Section):
    """At most ``limit`` for each distinct combination of the ``per`` values.

    ``routes``: only there (default: all). ``when``: only for callers whose dimension has one of these values.
    """

    name: Name
    per: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    limit: RateField
    algorithm: LimitAlgorithm = "sliding_window"
    routes: Omittable[tuple[Name, ...]] = None
    when: dict[Literal["role", "plan"], Annotated[tuple[Name, ...], Field(min_length=1)]] = {}


class RateLimiting(Section):
    """``deny`` refuses (503) while Redis is away, ``allow`` goes on with counters local to each service process."""

    when_redis_is_away: OnStoreFailure = "allow"
