"""envoy.filters.http.admission_control: keeps a share of requests from an upstream that fails."""

from typing import Any

from gatectl.render.templates import render as fill
from gatectl.snapshot import Snapshot


def render(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One for each upstream that has it, which works where a route switches it on."""
    wanted = (cluster.admission_control for cluster in snapshot.clusters)
    return [fill("filters/admission_control", control=control) for control in wanted if control is not None]
