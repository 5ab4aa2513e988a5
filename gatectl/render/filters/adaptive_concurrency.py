"""envoy.filters.http.adaptive_concurrency: as many requests at once as an upstream bears, by their latency."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One for each upstream that has it. It measures in the chain, so it works where a route switches it on."""
    wanted = (cluster.adaptive_concurrency for cluster in snapshot.clusters)
    return [fill("filters/adaptive_concurrency", control=control) for control in wanted if control is not None]
