"""Every rule there is, in the order of their ids. A new one is a line in the table of its topic."""

from gatectl.lint.rule import Rule
from gatectl.lint.rules import (
    abuse,
    access,
    cors,
    credentials,
    exposure,
    ignoring,
    limited,
    limits,
    resilience,
    routes,
    tls,
    upstreams,
)

TOPICS = (exposure, credentials, limits, upstreams, limited, resilience, cors, access, routes, ignoring, tls, abuse)
RULES: tuple[Rule, ...] = tuple(rule for topic in TOPICS for rule in topic.RULES)
