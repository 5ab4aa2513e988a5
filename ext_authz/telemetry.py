"""What the service tells about itself: Prometheus metrics of bounded cardinality, and the audit line of a refusal."""

import logging

from prometheus_client import Counter, Histogram

from ext_authz.engine import Decision, Request

DECISIONS = Counter(
    "ext_authz_decisions", "Checks answered, by outcome, reason and authenticator.", ("outcome", "reason", "method")
)
KEY_LOOKUPS = Counter(
    "ext_authz_key_lookups",
    "API key records asked for, by where the answer came from: static, cache, redis, stale (Redis is away) or none.",
    ("source",),
)
JWKS_REFRESHES = Counter(
    "ext_authz_jwks_refreshes", "Readings of an issuer's key set, by kind of source and result.", ("source", "result")
)
SHADOW_DECISIONS = Counter(
    "ext_authz_shadow_decisions",
    "Checks that a rule which is not enforced matched, by outcome and by what it would have been with such rules.",
    ("outcome", "shadow"),
)
CHECK_SECONDS = Histogram(
    "ext_authz_check_seconds",
    "Time to answer a check, without gRPC's own part.",
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)

audit = logging.getLogger("ext_authz.audit")
audit.setLevel(logging.INFO)  # of its own: a refusal is on record whatever the log level is


def observe(request: Request, decision: Decision, seconds: float) -> None:
    """Count a decision, and write the audit line when it is a refusal, or would be another one with the shadow rules.

    The line names a user or key only when proved, and never holds a credential, a path or a query string. What a
    client chooses freely is cut, so that one request cannot write a page.
    """
    CHECK_SECONDS.observe(seconds)
    outcome = "allow" if decision.allow else "deny"
    DECISIONS.labels(outcome, decision.reason.code, decision.method or "none").inc()
    shadow = decision.ruling.shadow
    would_be = None if shadow is None else "allow" if shadow.allow else "deny"
    if would_be is not None:
        SHADOW_DECISIONS.labels(outcome, would_be).inc()
    if decision.allow and would_be in {None, "allow"}:
        return
    identity = decision.identity
    audit.info(
        "request allowed" if decision.allow else "request refused",
        extra={
            "shadow": would_be,
            "shadow_rules": [rule + 1 for rule in shadow.rules] if shadow is not None else None,
            "reason": decision.reason.code,
            "status": decision.reason.status,
            "route": request.route[:256],
            "revision": request.revision[:64],
            "http_method": request.method[:32],
            "auth_method": decision.method,
            "user": identity.user if identity else None,
            "key_id": identity.key_id if identity else None,
            "address": request.address,
            "request_id": request.request_id[:128],
        },
    )
