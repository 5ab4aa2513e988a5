"""How much a caller may have."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from gatectl.fields import Duration, Name, Omittable, Rate, RateField, Size, Text, TimeZone, said
from gatectl.spec.model.abuse import bucket
from gatectl.spec.model.allowance import AllowancesField
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


_CALLER = "user, role, plan, api_key, client_address, attribute.<name>"
Trait = Annotated[
    str,
    StringConstraints(
        pattern=r"^(user|role|plan|api_key|client_address|attribute\.[a-z][a-z0-9_]{0,62}|header\.[a-z0-9!#$%&'*+.^`|~-]{1,128})$"
    ),
    said(f"a caller is known by one of {_CALLER}, header.<name>, names in lower case"),
]
"""What a caller may be chosen by."""
ProvenTrait = Annotated[
    str,
    StringConstraints(pattern=r"^(user|role|plan|api_key|client_address|attribute\.[a-z][a-z0-9_]{0,62})$"),
    said(f"a caller is spared for one of {_CALLER}, names in lower case; never for a header, which anybody may send"),
]
"""What a caller may be spared for."""
_Values = Annotated[tuple[Text, ...], Field(min_length=1)]
_Counted = Annotated[
    Dimension, said(f"a limit counts by {_CALLER}, header.<name>, route, upstream, gateway, names in lower case")
]
_Status = Annotated[
    str, StringConstraints(pattern="^[1-5]([0-9]{2}|xx)$"), said('a status is a code ("503") or a class (5xx)')
]


class ResponseCost(Section):
    """What a response costs, charged when its stream has ended; a request then costs nothing."""

    status: dict[_Status, Annotated[int, Field(ge=0, le=1_000_000)]] = {}
    """Hits by code (``"503"``), else by class (``5xx``), else none."""
    size: Omittable[Size] = None
    """One hit more for each so many bytes of the body, begun ones too."""


class RateLimit(Section):
    """At most ``limit`` for each distinct combination of the ``per`` values.

    ``routes``: only there (default: all). ``when``: only for callers whose dimension has one of these values.
    """

    name: Name
    per: Annotated[tuple[_Counted, ...], Field(min_length=1)]
    limit: AllowancesField
    plans: dict[Name, AllowancesField] = {}
    """Instead of ``limit`` for callers with one of these plans."""
    algorithm: LimitAlgorithm = "sliding_window"
    lease: Omittable[Duration] = None
    """Of requests at a time: after so long one counts no more, even if its end was never told. Not said: 5m."""
    response_cost: Omittable[ResponseCost] = None
    adaptive: Omittable[Adaptive] = None
    routes: Omittable[tuple[Name, ...]] = None
    instead_of: tuple[Name, ...] = ()
    """Limits that do not hold on the routes of this one."""
    when: dict[Trait, _Values] = {}
    exempt: dict[ProvenTrait, _Values] = {}
    """Callers for whom it does not hold."""
    enforce: bool = True
    """False: it counts, and never refuses."""
    count_refused: bool = False
    """Requests that are refused count too."""
    detailed: bool = False
    """Metrics tell whom it counts, as far as there are not too many."""


class RateLimiting(Section):
    """``deny`` refuses (503) while Redis is away, ``allow`` goes on with counters local to each service process."""

    when_redis_is_away: OnStoreFailure = "allow"
    ipv4_prefix: Annotated[int, Field(ge=8, le=32)] = 32
    ipv6_prefix: Annotated[int, Field(ge=16, le=128)] = 64
    """Bits of a client's address that are counted by."""
    time_zone: TimeZone = "UTC"
    """When a calendar day, week or month of a quota begins."""
    unjudged_per_address: Annotated[RateField, AfterValidator(bucket)] = Rate(20, 1000)
    """What an address may send to routes with limits while ratelimit_svc gives no answer; with ``deny`` nothing."""
