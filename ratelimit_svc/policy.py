"""THE CONTRACT of ratelimit_svc: the document it obeys, and the shape of the descriptors it is asked about.

The gateway compiler builds exactly these types and writes them as ``limits.json``; the service loads them back.
A descriptor that Envoy sends for a limit is a list of entries, in this order::

    limit=<limit name>, revision=<revision>, <dimension>=<value> …

one entry for each of ``Limit.dimensions``; then ``lease`` for a limit of requests at a time; then, when the stream has
ended, those of ``ENDED``. Nothing here does I/O.
"""

from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FORMAT: Literal[2] = 2

LIMIT_KEY = "limit"
REVISION_KEY = "revision"
LEASE_KEY = "lease"
"""Names one request, so that what it holds can be given back when its stream ends."""
STATUS_KEY = "response.status"
BYTES_KEY = "response.bytes"
TIMES_KEY = "response.times_ms"
"""``<request came>,<response began>,<stream ended>`` in milliseconds since the request's first byte: when its last byte
had come from the client, when the upstream began to answer. Empty for what never happened."""
ENDED = (STATUS_KEY, BYTES_KEY, TIMES_KEY)
"""What a stream came to: HTTP status, bytes sent to the client, its times. ``-`` for what is not known."""
ABSENT = "-"
"""A dimension value that means "this caller has none"."""

DIMENSIONS = ("user", "role", "plan", "api_key", "client_address", "route", "upstream", "gateway")
"""Beside these: ``attribute.<name>`` of the user and ``header.<name>`` of the request."""
HEADER = "header."
SHARED = ("attribute.", HEADER)
"""Prefixes of dimensions in which callers who have none count together: leaving a header out must not be a way out.
In every other dimension a limit does not apply to who has none."""
METADATA_NAMESPACE = "envoy.filters.http.ratelimit"
"""Where Envoy keeps the dynamic metadata of a RateLimitResponse."""
METADATA_LIMIT = "limit"
"""Name of the limit that refused, ``-`` when none did."""
METADATA_DECISION = "decision"
METADATA_DETAIL = "detail"
"""One sentence for the 429's ``detail``."""
METADATA_RETRY_AFTER = "retry_after"
"""Seconds, a number."""

_DIMENSION = rf"^({'|'.join(DIMENSIONS)}|attribute\.[a-z][a-z0-9_]{{0,62}}|header\.[a-z0-9!#$%&'*+.^`|~-]{{1,128}})$"
Dimension = Annotated[str, StringConstraints(pattern=_DIMENSION)]
Algorithm = Literal[
    "sliding_window", "fixed_window", "sliding_log", "token_bucket", "leaky_bucket", "concurrency", "quota"
]
Period = Literal["day", "week", "month"]
OnStoreFailure = Literal["allow", "deny"]
BUCKETS: frozenset[Algorithm] = frozenset({"token_bucket", "leaky_bucket"})
LONGEST_LOG = 10_000
"""Requests of a limit that keeps each of them."""
MAX_RATES = 8
"""Of one limit."""
MAX_DESCRIPTORS = 256
"""More than any gateway's limits on one route; one call must not hold the store for long."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(_Document):
    """At most ``requests`` per ``window_ms`` milliseconds. 0 requests refuses everything."""

    requests: int = Field(ge=0, le=2**53)
    window_ms: int = Field(gt=0, le=366 * 86_400_000)
    burst: int | None = Field(default=None, ge=1, le=2**53)
    """Hits at once, where the algorithm has them; None: what is usual for it."""
    period: Period | None = None
    """A calendar period instead of the window, whose length is then nominal."""


Rates = Annotated[tuple[Rate, ...], Field(max_length=MAX_RATES)]
"""All hold together. None at all: unlimited."""


class ResponseCost(_Document):
    """Hits that a response costs, charged when its stream has ended, whether or not there is room for them.

    ``status``: hits by code (``503``), else by class (``5xx``), else 0. ``bytes_per_hit``: one more for each so many
    bytes sent, begun ones too. A response whose status is not known (the client went away) costs as ``5xx`` does not
    and as nothing does.
    """

    status: dict[str, Annotated[int, Field(ge=0, le=2**31)]] = {}
    bytes_per_hit: int | None = Field(default=None, ge=1)


class Adaptive(_Document):
    """How far a limit goes down with the health of what is behind it: ``ratelimit_svc.adaptive.law``.

    It is judged by the streams that its descriptors tell of when they have ended.
    """

    least_percent: int = Field(ge=1, le=100)
    """Of every number of the limit, below which none goes."""
    target_latency_ms: int = Field(ge=1)
    max_slow_percent: int = Field(default=10, ge=0, le=99)
    """Of requests, that may take longer."""
    max_error_percent: int = Field(default=5, ge=0, le=99)
    """Of requests, that may be answered with a 5xx."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """Requests under way at once, on average over a second."""


class Limit(_Document):
    """What each distinct combination of values of the ``per`` dimensions may have.

    ``rates`` hold for everybody whose plan is not among ``plans``. ``when`` narrows the limit to descriptors whose
    dimension has one of the listed values, ``exempt`` spares those whose dimension has; neither is counted by.
    Addresses there are networks.
    """

    algorithm: Algorithm = "sliding_window"
    rates: Rates
    plans: dict[str, Rates] = {}
    time_zone: str = "UTC"
    """Of calendar periods (IANA name)."""
    per: tuple[Dimension, ...] = Field(min_length=1)
    when: dict[Dimension, tuple[str, ...]] = {}
    exempt: dict[Dimension, tuple[str, ...]] = {}
    enforce: bool = True
    """False: a shadow limit, which is counted and told of and never refuses."""
    count_refused: bool = False
    """Refused calls are charged as well, by this limit or another."""
    response_cost: ResponseCost | None = None
    detailed: bool = False
    """Metrics name whom it counts, as far as there are not too many."""
    adaptive: Adaptive | None = None

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """What a descriptor of this limit tells, in order, each once."""
        plan = ("plan",) if self.plans else ()
        return tuple(dict.fromkeys((*self.per, *self.when, *self.exempt, *plan)))

    @model_validator(mode="after")
    def _makes_sense(self) -> "Limit":
        for rates in (self.rates, *self.plans.values()):
            if len({rate.period or rate.window_ms for rate in rates}) != len(rates):
                raise ValueError("two rates of a limit have the same window")  # and would share a counter
            for rate in rates:
                if (fault := fault_of(self.algorithm, rate)) is not None:
                    raise ValueError(fault)
        if self.algorithm == "quota" and not _is_known(self.time_zone):
            raise ValueError("the time zone is not known here")
        if self.algorithm == "concurrency" and self.response_cost is not None:
            raise ValueError("a limit of requests at a time has no cost")
        if self.adaptive is not None and self.algorithm in {"quota", "concurrency"}:
            raise ValueError("neither a quota nor a limit of requests at a time is adaptive")
        return self


def _is_known(time_zone: str) -> bool:
    """Whether the time zone database has it: a policy that names another must not be obeyed in part."""
    try:
        ZoneInfo(time_zone)
    except (ValueError, LookupError, OSError):  # OSError: the name of a directory, ``Europe``
        return False
    return True


def fault_of(algorithm: Algorithm, rate: Rate) -> str | None:
    """Why an algorithm cannot count by a rate, as a sentence; None when it can."""
    if (algorithm == "quota") != (rate.period is not None):
        return "a quota is per calendar day, week or month, and nothing else is"
    if rate.burst is not None and algorithm not in BUCKETS:
        return "only buckets have a burst"
    if algorithm in BUCKETS and max(rate.burst or 0, rate.requests) * rate.window_ms + rate.requests > 2**53:
        return "more than a bucket can count exactly: a shorter window or a smaller number is needed"
    if algorithm in {"sliding_log", "concurrency"} and rate.requests > LONGEST_LOG:
        return f"{algorithm} keeps an entry for each request: at most {LONGEST_LOG} are counted"
    return None


class Policy(_Document):
    """Every limit of one revision of one gateway. ``limits`` is keyed by limit name."""

    format: Literal[2] = FORMAT
    revision: str
    gateway: str
    on_store_failure: OnStoreFailure = "allow"
    ipv4_prefix: int = Field(default=32, ge=8, le=32)
    ipv6_prefix: int = Field(default=64, ge=16, le=128)
    """Bits of a client's address that are counted by: who has one IPv6 address has 2^64."""
    limits: dict[str, Limit] = {}


def load(document: bytes) -> Policy:
    """Parse ``limits.json``. Raises ValueError (pydantic.ValidationError) when it is not a policy of this format."""
    return Policy.model_validate_json(document)
