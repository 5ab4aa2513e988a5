"""envoy.filters.http.header_mutation: takes from trailers what no client may write."""

from typing import Any

from ext_authz import policy as authz
from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(snapshot: Snapshot) -> dict[str, Any]:  # noqa: ARG001 - the same for every gateway
    """Only upstreams of HTTP/2 ever get trailers, and which those are changes without the listener: always there."""
    return fill("filters/request_trailers", identity_prefix=authz.IDENTITY_HEADER_PREFIX)
