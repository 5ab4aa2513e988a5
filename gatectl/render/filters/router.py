"""envoy.filters.http.router: sends the request to the route's cluster."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(_snapshot: Snapshot) -> dict[str, Any]:
    """The end of the chain."""
    return fill("filters/router")
