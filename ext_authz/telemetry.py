"""What the service tells about itself: Prometheus metrics of bounded cardinality, and what the audit trail is told."""

from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from ext_authz.engine import Decision, Request

DECISIONS = Counter(
    "ext_authz_decisions", "Checks answered, by outcome, reason and authenticator.", ("outcome", "reason", "method")
)
KEY_LOOKUPS = Counter(
    "ext_authz_key_lookups",
    "API key records asked for, by where the answer came from: static, cache, redis, stale (Redis is away) or none.",
    ("source",),
)
KEY_USES = Counter("ext_authz_key_uses", "Uses of API keys noted, by result: written or lost.", ("result",))
JWKS_REFRESHES = Counter(
    "ext_authz_jwks_refreshes", "Readings of an issuer's key set, by kind of source and result.", ("source", "result")
)
DENYLIST_READS = Counter(
    "ext_authz_denylist_reads", "Looks at the denylist of tokens, by result: unchanged, loaded or failed.", ("result",)
)
IDENTITY_TOKENS = Counter(
    "ext_authz_identity_tokens",
    "Signed identities handed to upstreams, by result: signed, cached or no_key.",
    ("result",),
)
THROTTLED = Counter(
    "ext_authz_throttled",
    "Failures answered late (slowed), and refusals with 429: by address, by key, or for want of room to delay (crowd).",
    ("stage",),
)
DELAYED = Gauge("ext_authz_delayed", "Answers held back at the moment.", multiprocess_mode="livesum")
BLOCKED = Gauge("ext_authz_blocked", "Addresses and key ids that are blocked.", ("kind",), multiprocess_mode="livemax")
SHADOW_DECISIONS = Counter(
    "ext_authz_shadow_decisions",
    "Checks that a rule which is not enforced matched, by outcome and by what it would have been with such rules.",
    ("outcome", "shadow"),
)
CHECK_SECONDS = Histogram(
    "ext_authz_check_seconds",
    "Time to decide a check, without gRPC's own part and without what a failure is held back for.",
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)

AUDIT_LOST = Counter("ext_authz_audit_lost", "Lines of the audit trail that found no room or could not be written.")


def observe(decision: Decision, seconds: float) -> None:
    """Count a decision."""
    CHECK_SECONDS.observe(seconds)
    outcome = "allow" if decision.allow else "deny"
    DECISIONS.labels(outcome, decision.reason.code, decision.method or "none").inc()
    shadow = decision.ruling.shadow
    if shadow is not None:
        SHADOW_DECISIONS.labels(outcome, "allow" if shadow.allow else "deny").inc()


def event(decision: Decision) -> str | None:
    """What the audit trail calls a refusal, and what shadow rules would have refused; None: it is not told."""
    if not decision.allow:
        return "request.refused"
    shadow = decision.ruling.shadow
    return "request.shadow" if shadow is not None and not shadow.allow else None


def told(request: Request, decision: Decision) -> dict[str, Any]:
    """What the audit trail says about a decision; what rules that are not enforced would have made of it is in it.

    It names a user or key only when proved, and never holds a credential, a path or a query string. What a client
    chooses freely is cut, so that one request cannot write a page.
    """
    identity, shadow = decision.identity, decision.ruling.shadow
    would_be = (
        {}
        if shadow is None
        else {
            "shadow": "allow" if shadow.allow else "deny",
            "shadow_rules": [rule + 1 for rule in shadow.rules],
        }
    )
    return {
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
        **would_be,
    }
