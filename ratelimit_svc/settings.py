"""The service's own settings; those that every service has are in ``serving.settings``."""

from serving.settings import AUDIT, Setting, optional_path, redis_url, seconds, whole_number

SETTINGS = (
    *AUDIT,
    Setting("redis-url", redis_url, "redis://127.0.0.1:6379/0", "where the counters are"),
    Setting(
        "store-deadline",
        seconds(0.005, 5),
        "0.1",
        "seconds to wait for Redis before the fallback decides; keep it below Envoy's timeout for the call",
    ),
    Setting(
        "compat-config",
        optional_path,
        "",
        "instead of --state-dir: directory of envoyproxy/ratelimit configuration files, obeyed as they are; with it"
        " --help tells more",
    ),
    Setting("fallback-counters", whole_number(1, 10_000_000), "100000", "counters kept in memory while Redis is away"),
    Setting(
        "denied-calls", whole_number(1, 10_000_000), "10000", "refused calls remembered until they would be admitted"
    ),
)
