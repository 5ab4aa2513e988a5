"""envoy.filters.http.ratelimit: asks our limiter when the route has limits."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot

CLUSTER = "ratelimit_svc"
"""Name of the service's cluster in the bootstrap."""


def render(snapshot: Snapshot) -> dict[str, Any]:
    """Always there, so that adding a limit changes routes only, and cuts no connection."""
    return fill("filters/ratelimit", cluster=CLUSTER, domain=snapshot.name, fail_closed=snapshot.unjudged is None)
