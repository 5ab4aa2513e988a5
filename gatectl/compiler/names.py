"""The one place that mints names: what the parts call each other by."""

import hashlib
import json

ROUTES = "gateway"
"""Name of the route configuration, of the listener, and of the listener's statistics."""


HTTP3 = "gateway-http3"
"""Name of the listener for HTTP/3; its statistics are those of the gateway."""
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""Whom the system trusts: here in Debian, Ubuntu, Alpine and Envoy's own images. Envoy itself knows no such place."""
LOCAL_CERTIFICATE, LOCAL_KEY = "certificates/listener.pem", "certificates/listener.key"
"""The listener's development certificate, relative to the state directory."""
LOCAL_CA = "certificates/ca.pem"
"""Who signed it, for clients to believe; relative to the state directory."""
_SECRET_DIGITS = 12


def cluster_id(upstream: str) -> str:
    """Envoy's cluster for an upstream. The prefix keeps it apart from the clusters of the two services."""
    return f"upstream-{upstream}"


def adaptive_concurrency_id(upstream: str) -> str:
    """Envoy's filter that holds an upstream's concurrency; its type is in its configuration."""
    return f"adaptive-concurrency-{upstream}"


def admission_control_id(upstream: str) -> str:
    """Envoy's filter that spares an upstream that fails."""
    return f"admission-control-{upstream}"


UNJUDGED = "without-limiter"
"""Envoy's filter that holds addresses while the limiter gives no answer."""


def route_id(route: str) -> str:
    """What Envoy and ext_authz call a route: its name, which the spec keeps unique."""
    return route


def secret_id(kind: str, *files: str | None) -> str:
    """What Envoy calls a secret (SDS): made of the names of its files, so that a name never changes its meaning."""
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:_SECRET_DIGITS]
    return f"{kind}-{digest}"


def local_jwks_file(issuer: str) -> str:
    """Public keys of a local issuer, relative to the state directory."""
    return f"issuers/{issuer}.jwks.json"


def local_signing_key_file(issuer: str) -> str:
    """Private key of a local issuer, relative to the state directory."""
    return f"issuers/{issuer}.pem"


IDENTITY_KEY_FILE = "identity-key.pem"
"""Private key that signs ``x-gate-identity`` on a gateway that `up` runs, relative to the state directory."""
