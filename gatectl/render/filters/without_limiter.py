"""envoy.filters.http.local_ratelimit once more: what passes while our limiter gives no answer."""

from typing import Any

from gatectl.render.filters.local_ratelimit import MAX_ADDRESSES
from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot
from ratelimit_svc import policy as limits


def render(snapshot: Snapshot) -> dict[str, Any] | None:
    """Works where a route switches it on. Not there where the limiter's filter refuses then."""
    limit = snapshot.unjudged
    if limit is None:
        return None
    return fill(
        "filters/without_limiter",
        limit=limit,
        max_addresses=MAX_ADDRESSES,
        namespace=limits.METADATA_NAMESPACE,
        decision=limits.METADATA_DECISION,
        absent=limits.ABSENT,
    )
