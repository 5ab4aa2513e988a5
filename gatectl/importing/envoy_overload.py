"""Filters that spare an upstream → ``adaptive_concurrency`` and ``admission_control``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatectl.importing.envoy_dump import Item, Notes, span

_TYPES = {
    "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency": "adaptive_concurrency",
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl": "admission_control",
}


@dataclass(frozen=True)
class Spared:
    """One filter: the field of an upstream that says the same, its value, and whether routes must switch it on."""

    name: str
    field: str
    value: dict[str, Any]
    switched_on: bool

    def works_for(self, filters: Sequence[str]) -> bool:
        """Whether it works on a route that has something to say to these filters."""
        return not self.switched_on or self.name in filters


def spared_by(one: Item) -> Spared | None:
    """What an HTTP filter says; None when it is of neither type."""
    config = one.item("typed_config")
    field = _TYPES.get(str(config.data.get("@type")).rpartition("/")[2])
    if field is None:
        return None
    value = _adaptive_concurrency(config) if field == "adaptive_concurrency" else _admission_control(config)
    known = {name: told for name, told in value.items() if told is not None}
    return Spared(str(one.take("name")), field, known, switched_on=one.take("disabled") is True)


def spare(upstream: dict[str, Any], found: Sequence[Spared], routes: Sequence[Sequence[str]], notes: Notes) -> None:
    """Give an upstream the fields of the filters that work on one of its ``routes``, told by their own filters."""
    for one in found:
        working = [filters for filters in routes if one.works_for(filters)]
        if working:
            upstream[one.field] = one.value
        if working and len(working) < len(routes):
            notes.add(f"the filter {one.name} works on some routes of an upstream: it is for all of them", decided=True)


def _adaptive_concurrency(config: Item) -> dict[str, Any]:
    controller = config.item("gradient_controller_config")
    latency = controller.item("min_rtt_calc_params")
    unloaded = latency.duration("fixed_value")
    return {
        "unloaded_latency": span(unloaded) if unloaded else None,
        "headroom_percent": latency.number("buffer"),
        "min_requests": latency.number("min_concurrency"),
        "max_requests": controller.item("concurrency_limit_params").number("max_concurrency_limit"),
    }


def _admission_control(config: Item) -> dict[str, Any]:
    window = config.duration("sampling_window")
    return {
        "success_percent": config.item("sr_threshold").number("default_value"),
        "window": span(window) if window else None,
        "min_requests_per_second": config.item("rps_threshold").number("default_value"),
        "max_rejection_percent": config.item("max_rejection_probability").number("default_value"),
    }
