"""THE CONTRACT of ratelimit_svc: the document it obeys, and the shape of the descriptors it is asked about.

The gateway compiler builds exactly these types and writes them as ``limits.json``; the service loads them back.
A descriptor that Envoy sends for a limit is a list of entries, in this order::

    limit=<limit name>, revision=<revision>, <dimension>=<value> …

one entry per dimension of ``Limit.per`` and then of ``Limit.when``. Nothing here does I/O.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal[1] = 1

LIMIT_KEY = "limit"
REVISION_KEY = "revision"
ABSENT = "-"
"""A dimension value that means "this caller has none": a limit that counts by it does not apply."""

DIMENSIONS = ("user", "role", "plan", "api_key", "client_address", "route")
METADATA_NAMESPACE = "envoy.filters.http.ratelimit"
"""Where Envoy keeps the dynamic metadata of a RateLimitResponse."""
METADATA_LIMIT = "limit"
"""Name of the limit that refused, ``-`` when none did."""
METADATA_DECISION = "decision"
METADATA_DETAIL = "detail"
"""One sentence for the 429's ``detail``."""

Dimension = Literal["user", "role", "plan", "api_key", "client_address", "route"]
Algorithm = Literal["sliding_window", "fixed_window"]
OnStoreFailure = Literal["allow", "deny"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(_Document):
    """At most ``requests`` per ``window_ms`` milliseconds for each distinct value of the ``per`` dimensions.

    ``when`` narrows it to descriptors whose dimension has one of the listed values; those dimensions are not
    part of what is counted by. ``requests`` 0 refuses everything.
    """

    algorithm: Algorithm = "sliding_window"
    requests: int = Field(ge=0, le=2**53)
    window_ms: int = Field(gt=0, le=366 * 86_400_000)
    per: tuple[Dimension, ...] = Field(min_length=1)
    when: dict[Dimension, tuple[str, ...]] = {}


class Policy(_Document):
    """Every limit of one revision of one gateway. ``limits`` is keyed by limit name."""

    format: Literal[1] = FORMAT
    revision: str
    gateway: str
    on_store_failure: OnStoreFailure = "allow"
    limits: dict[str, Limit] = {}


def load(document: bytes) -> Policy:
    """Parse ``limits.json``. Raises ValueError (pydantic.ValidationError) when it is not a policy of this format."""
    return Policy.model_validate_json(document)
