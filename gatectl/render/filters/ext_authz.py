"""envoy.filters.http.ext_authz: asks our authorization service about every request that has a route."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot

CLUSTER = "ext_authz"
"""Name of the service's cluster in the bootstrap."""


def render(snapshot: Snapshot) -> dict[str, Any]:
    """The service sees the headers that may carry a credential, those that rules look at, and the request id."""
    names = dict.fromkeys((*snapshot.credential_headers, *snapshot.condition_headers, "x-request-id"))
    return fill("filters/ext_authz", cluster=CLUSTER, allowed_headers=[{"exact": name} for name in names])
