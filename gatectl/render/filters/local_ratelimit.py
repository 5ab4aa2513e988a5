"""envoy.filters.http.local_ratelimit: how much one client address may send, whoever it is."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot

MAX_ADDRESSES = 10_000
"""Addresses that Envoy counts at once, about 500 bytes each. The one not seen for longest is forgotten first, and
starts with a full bucket when it comes back."""


def render(snapshot: Snapshot) -> dict[str, Any] | None:
    """Only where there is such a limit."""
    limit = snapshot.address_limit
    return fill("filters/local_ratelimit", limit=limit, max_addresses=MAX_ADDRESSES) if limit is not None else None
