"""What the service tells Prometheus. Label values come from the policy or a fixed set, never from a request."""

from prometheus_client import Counter, Gauge, Histogram

DECISIONS = Counter(
    "ratelimit_decisions_total",
    "Limits decided on. A refused call counts over_limit for the limits that refused and ok for the others.",
    ["limit", "outcome"],
)
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
