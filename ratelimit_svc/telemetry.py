"""What the service tells Prometheus. Label values come from the policy or a fixed set, never from a request."""

import hashlib
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from ratelimit_svc.engine import Decision
from ratelimit_svc.policy import ABSENT, ENDED, LEASE_KEY, LIMIT_KEY, REVISION_KEY
from ratelimit_svc.rules import Descriptor

CALLS = Counter("ratelimit_calls_total", "Calls by how they were answered.", ["outcome"])
CALL_SECONDS = Histogram(
    "ratelimit_call_seconds",
    "Time from a call's arrival to its answer.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
MISTAKES = Counter("ratelimit_mistakes_total", "Calls that no decision was possible on, by reason.", ["reason"])

STORE_UP = Gauge(
    "ratelimit_store_up", "1 while Redis is used, 0 while the breaker is open.", multiprocess_mode="livemin"
)
STORE_ROUND_TRIPS = Counter("ratelimit_store_round_trips_total", "Exchanges with Redis.", ["result"])
STORE_BATCH_CALLS = Histogram(
    "ratelimit_store_batch_calls", "Calls in one exchange with Redis.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
FALLBACKS = Counter(
    "ratelimit_fallbacks_total", "Calls that Redis could not decide, by what the policy says to do then.", ["policy"]
)
DENIED_AGAIN = Counter(
    "ratelimit_denied_again_total", "Calls that were refused without asking Redis: it had refused them until later."
)
PROCESSES = Gauge(
    "ratelimit_processes", "Processes that share the limits, as far as is known.", multiprocess_mode="livemax"
)
SETTLED = Counter("ratelimit_settled_total", "Counters charged in Redis for what was admitted while it was away.")
OVERRIDES = Gauge(
    "ratelimit_overrides", "Overrides and restarts of counters that this process knows.", multiprocess_mode="livemin"
)
OVERRIDE_READS = Counter("ratelimit_override_reads_total", "Readings of a changed list of overrides.", ["result"])
REFUSALS_LOST = Counter(
    "ratelimit_refusals_lost_total", "Refusals that `gatectl limits top` does not know: of too many callers at once."
)
REFUSED_DROPPED = Counter(
    "ratelimit_refused_dropped_total", "Callers with few refusals that found no room among those of a minute."
)
AUDIT_LOST = Counter(
    "ratelimit_audit_lost_total", "Lines of the audit trail that found no room or could not be written."
)

_CALLED = {"api_key": "key_id", "client_address": "address"}
"""What ext_authz calls in its trail what limits count by, where the words differ."""
_NO_CALLER = frozenset({LIMIT_KEY, REVISION_KEY, LEASE_KEY, *ENDED})
_LONGEST_TEXT = 256
"""Of a value, in characters: what a client chooses must not fill a page."""


def refusal(decision: Decision, asked: Sequence[Descriptor]) -> dict[str, str | int]:
    """What the audit trail says about a refused call: the limit to wait longest for, and whom it counts."""
    assert decision.limiting is not None
    name = decision.limiting.name
    refusing = next((dict(one.entries) for one in asked if dict(one.entries).get(LIMIT_KEY) == name), {})
    told: dict[str, str | int] = {"reason": "rate-limited", "status": 429, "limit": name}
    for key, value in refusing.items():
        told.setdefault(*_told(key, value))
    return {**told, "retry_after": decision.reset_s}


def caller(asked: Descriptor) -> tuple[tuple[str, str], ...]:
    """Whom a descriptor's limit counts, in the words of the audit trail."""
    return tuple(_told(key, value) for key, value in asked.entries if key not in _NO_CALLER)


def _told(key: str, value: str) -> tuple[str, str]:
    if key.startswith("header.") and value != ABSENT:  # may be a secret: told apart, and not told
        return key, f"#{hashlib.blake2b(value.encode(), digest_size=6).hexdigest()}"
    # a user is counted as user:<id>, somebody unknown as address:<ip>
    kind, colon, known = value.partition(":") if key == "user" else ("", "", "")
    field = kind if colon and kind in {"user", "address"} else _CALLED.get(key, key)
    return field, (known if field == kind else value)[:_LONGEST_TEXT]
