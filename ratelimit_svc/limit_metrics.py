"""What is counted of each limit. Labels come from the policy, and from requests only where a limit is detailed."""

from collections.abc import Sequence

from prometheus_client import Counter

from ratelimit_svc.engine import Decision, Status
from ratelimit_svc.rules import Ask, Descriptor
from ratelimit_svc.store import Mode
from ratelimit_svc.telemetry import caller

DECISIONS = Counter(
    "ratelimit_decisions_total",
    "Limits decided on. A refused call counts over_limit for the limits that refused and ok for the others.",
    ["limit", "outcome"],
)
NEAR = Counter(
    "ratelimit_near_limit_total", "Limits with room that left a fifth of one of their rates, or less.", ["limit"]
)
DETAILED = Counter(
    "ratelimit_detailed_total", "Limits decided on, by whom they count: for limits that ask for it.",
    ["limit", "counted_by", "outcome"],
)  # fmt: skip

MOST_VALUES = 100
"""Callers that a detailed limit names in each process; all others are ``other``."""
OTHER = "other"
_PREFIX: dict[Mode, str] = {"shadow": "shadow_"}
_ENDED = frozenset[Mode]({"add", "give_back"})

_named: dict[str, set[str]] = {}


def count(asks: Sequence[Ask], descriptors: Sequence[Descriptor], decision: Decision) -> None:
    """Count a decided call; never fails."""
    for ask, descriptor, status in zip(asks, descriptors, decision.statuses, strict=True):
        if status is None:
            continue
        outcome = _outcome(ask.mode, status)
        DECISIONS.labels(ask.name, outcome).inc()
        if outcome == "ok" and _is_near(status):
            NEAR.labels(ask.name).inc()
        if ask.detailed:
            DETAILED.labels(ask.name, _label(ask.name, descriptor), outcome).inc()


def _outcome(mode: Mode, status: Status) -> str:
    """``ok``, ``over_limit``, the same with ``shadow_``; ``stream_ended`` for what was charged or given back then."""
    if mode in _ENDED:
        return "stream_ended"
    return _PREFIX.get(mode, "") + ("over_limit" if status.over else "ok")


def _label(name: str, descriptor: Descriptor) -> str:
    label = ",".join(f"{field}={value}" for field, value in caller(descriptor))
    named = _named.setdefault(name, set())
    if label not in named:
        if len(named) >= MOST_VALUES:
            return OTHER
        named.add(label)
    return label


def _is_near(status: Status) -> bool:
    """Whether at least four fifths of one of its rates are used."""
    return any(5 * standing.remaining <= standing.terms.requests for standing in status.standings)
