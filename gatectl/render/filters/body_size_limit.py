"""envoy.filters.http.body_size_limit: 413 for a body that is too large, declared or chunked."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(snapshot: Snapshot) -> dict[str, Any]:
    """The limit of the listener."""
    return fill("filters/body_size_limit", max_bytes=snapshot.listener.max_request_body)
