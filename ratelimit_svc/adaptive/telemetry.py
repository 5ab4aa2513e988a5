"""What adaptive limits tell Prometheus. Label values are names of limits and the reasons of the law."""

from prometheus_client import Counter, Gauge

LEVEL = Gauge(
    "ratelimit_adaptive_level",
    "Share of an adaptive limit's numbers that is in force: 1 is the whole limit.",
    ["limit"],
    multiprocess_mode="mostrecent",
)
STEPS = Counter(
    "ratelimit_adaptive_steps_total",
    "Decisions on the level of an adaptive limit, by why it moved or stayed; each counts in one process.",
    ["limit", "reason"],
)
ALONE = Gauge(
    "ratelimit_adaptive_alone",
    "Processes that go by their own figures because Redis is away.",
    multiprocess_mode="livesum",
)
