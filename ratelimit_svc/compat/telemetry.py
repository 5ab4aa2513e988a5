"""What is told to Prometheus about rules of the files: the reference's statistics, with a bounded number of series."""

from prometheus_client import Counter

from ratelimit_svc.compat.engine import Decision, Status

RULE_HITS = Counter(
    "ratelimit_rule_hits_total",
    "Hits by rule of the configuration files, and kind: total, within_limit, near_limit (above 80 percent), over_limit,"
    " shadow_mode.",
    ["rule", "kind"],
)
UNKNOWN_DOMAINS = Counter("ratelimit_unknown_domain_total", "Calls about a domain that no configuration file has.")
CONFIG_LOADS = Counter(
    "ratelimit_config_loads_total", "Configuration files read after a change, by result: loaded, refused.", ["result"]
)

MAX_DETAILED = 1000
"""Names with values of calls in them (detailed_metric, value_to_metric) in a process; more count as their rule."""


class RuleHits:
    """Counts hits by rule."""

    def __init__(self, most: int = MAX_DETAILED) -> None:
        self._detailed, self._most = set[str](), most

    def count(self, decision: Decision) -> None:
        """Count every rule of a decision that has a rate."""
        for status in decision.statuses:
            if status is not None and status.rule.rate is not None:
                name = self.name_of(status)
                for kind, hits in split(status).items():
                    if hits:
                        RULE_HITS.labels(name, kind).inc(hits)

    def name_of(self, status: Status) -> str:
        """The rule's name in metrics."""
        if status.metric != status.rule.path and status.metric not in self._detailed:
            if len(self._detailed) >= self._most:
                return status.rule.path
            self._detailed.add(status.metric)
        return status.metric


def split(status: Status) -> dict[str, int]:
    """The hits of a call by kind. Hits of a call that crosses a threshold are on both sides of it."""
    assert status.rule.rate is not None
    limit, before, after = status.rule.rate.requests, status.before, status.after
    hits, near = max(0, after - before), limit * 8 // 10
    exceeded = status.over or status.shadowed
    over = min(hits, after - limit) if exceeded else 0
    return {
        "total": hits,
        "within_limit": 0 if exceeded else hits,
        "near_limit": max(0, min(after, limit) - max(near, before)),
        "over_limit": over,
        "shadow_mode": over if status.shadowed else 0,
    }
