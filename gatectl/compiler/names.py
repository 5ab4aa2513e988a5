"""The one place that mints names: what the parts call each other by."""

ROUTES = "gateway"
"""Name of the route configuration, of the listener, and of the listener's statistics."""


def cluster_id(upstream: str) -> str:
    """Envoy's cluster for an upstream. The prefix keeps it apart from the clusters of the two services."""
    return f"upstream-{upstream}"


def route_id(route: str) -> str:
    """What Envoy and ext_authz call a route: its name, which the spec keeps unique."""
    return route


def local_jwks_file(issuer: str) -> str:
    """Public keys of a local issuer, relative to the state directory."""
    return f"issuers/{issuer}.jwks.json"


def local_signing_key_file(issuer: str) -> str:
    """Private key of a local issuer, relative to the state directory."""
    return f"issuers/{issuer}.pem"


IDENTITY_KEY_FILE = "identity-key.pem"
"""Private key that signs ``x-gate-identity`` on a gateway that `up` runs, relative to the state directory."""
