"""What a client is told in headers of the response. Pure.

``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-11) list every rate that the call was held
to, the one to look at first. ``X-RateLimit-*`` and ``Retry-After`` are about that one alone. All are made of the same
numbers, so they cannot contradict each other.
"""

import math
from collections.abc import Iterator

from ratelimit_svc.engine import Decision, Standing, Status, period

MOST_ITEMS = 16
"""Rates listed: a header is no place for hundreds."""
LARGEST = 10**15 - 1
"""An integer of a structured field has fifteen digits at most (RFC 9651, section 3.3.1)."""

Header = tuple[str, str]


def headers(decision: Decision) -> tuple[Header, ...]:
    """Names (lower-case) and values, none when no enforced limit applies. Shadow limits are not told of."""
    limiting = decision.limiting
    if limiting is None:
        return ()
    tightest = limiting.tightest
    named: dict[str, Standing] = {}
    for name, standing in _items(decision, limiting):
        named.setdefault(name, standing)  # of two descriptors about one limit, the one to look at
    items = list(named.items())[:MOST_ITEMS]
    policies = sorted((_string(name), _policy(standing)) for name, standing in items)
    told = (
        ("ratelimit-policy", ", ".join(map(";".join, policies))),  # the same from one response to the next
        ("ratelimit", ", ".join(f"{_string(name)};{_service(standing)}" for name, standing in items)),
        ("x-ratelimit-limit", str(tightest.terms.requests)),
        ("x-ratelimit-remaining", str(tightest.remaining)),
        ("x-ratelimit-reset", str(decision.reset_s)),
    )
    return told if decision.allowed else (*told, ("retry-after", str(decision.reset_s)))


def _items(decision: Decision, limiting: Status) -> Iterator[tuple[str, Standing]]:
    """Every rate under a name of its own; those of the limiting limit first, and of those the tightest."""
    yield _name(limiting, limiting.tightest), limiting.tightest
    for status in (limiting, *decision.statuses):
        if status is not None and status.enforced:
            for standing in status.standings:
                yield _name(status, standing), standing


def _name(status: Status, standing: Standing) -> str:
    if len(status.standings) == 1:
        return status.name
    return f"{status.name}:{standing.terms.period or period(standing.terms.window_ms).replace(' ', '-')}"


def _policy(standing: Standing) -> str:
    """The quota (``q``) and its window in seconds (``w``); requests at a time have a unit instead."""
    terms = standing.terms
    quota = f"q={min(terms.requests, LARGEST)}"
    if terms.algorithm == "concurrency":
        return f'{quota};qu="concurrent-requests"'
    return f"{quota};w={math.ceil(terms.window_ms / 1000)}"


def _service(standing: Standing) -> str:
    """What is left (``r``), and in how many seconds there is more (``t``): of requests at once nobody knows."""
    left = f"r={min(standing.remaining, LARGEST)}"
    return left if standing.terms.algorithm == "concurrency" else f"{left};t={math.ceil(standing.reset_ms / 1000)}"


def _string(text: str) -> str:
    """A string of a structured field (RFC 9651, section 4.1.6); what it cannot hold is left out."""
    safe = "".join(character for character in text if " " <= character <= "~")
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'
