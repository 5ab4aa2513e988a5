"""envoy.filters.http.cors: answers preflights by the policy of the route."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(_snapshot: Snapshot) -> dict[str, Any]:
    """Always there, so that giving a route a policy changes the route only, and cuts no connection."""
    return fill("filters/cors")
