"""The bundle's own listener, routes and clusters, in another place.

What a request meets is untouched: filters, routes, headers, limits. What differs is where it all is: the listener is a
unix socket, without TLS, that takes the client's address from whoever connects, every upstream is the one echo, and
both services are in this process.
"""

from pathlib import Path
from typing import Any

from gatectl.compiler.names import ROUTES
from gatectl.render.bundle import Bundle, canonical, flatten
from gatectl.render.filters import ext_authz, ratelimit
from gatectl.render.resources import bootstrap
from gatectl.render.templates import Message
from gatectl.snapshot import Endpoint

PATIENCE = "10s"
"""How long Envoy waits for the services here. A busy machine must not change what a request meets."""
CONNECTIONS = 1024
_NOWHERE = Endpoint("127.0.0.1", 1)
_PROXY_PROTOCOL = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
}
_ANSWERED_WITH_HTTP1: Message = {"explicit_http_config": {"http_protocol_options": {}}}
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_INEXHAUSTIBLE: Message = {"max_tokens": 1 << 30, "tokens_per_fill": 1 << 30, "fill_interval": "1s"}
"""One client after the other comes from the same address: that is no flood."""
LONGEST_NAME = "ratelimit_svc.sock"


def listener_socket(directory: Path) -> Path:
    """Where the rehearsal's clients connect."""
    return directory / "listener.sock"


def service_socket(directory: Path, cluster: str) -> Path:
    """Where the service of that cluster answers."""
    return directory / f"{cluster}.sock"


def echo_socket(directory: Path) -> Path:
    """Where every upstream is."""
    return directory / "echo.sock"


def configuration(bundle: Bundle, directory: Path) -> bytes:
    """Envoy's whole configuration (envoy.config.bootstrap.v3.Bootstrap), as JSON, for the sockets in ``directory``."""
    static = flatten(bundle, bootstrap(bundle.gateway, "rehearsal", _NOWHERE, _NOWHERE, _NOWHERE))
    resources = static["static_resources"]
    resources["listeners"] = [one for one in resources["listeners"] if one["name"] == ROUTES]  # HTTP/3 adds no meaning
    for listener in resources["listeners"]:
        listener["filter_chains"][0].pop("transport_socket", None)
        listener["address"] = {"pipe": {"path": str(listener_socket(directory)), "mode": 0o600}}
        listener["listener_filters"] = [_PROXY_PROTOCOL, *listener.get("listener_filters", [])]
        _be_patient(listener)
    for cluster in resources["clusters"]:
        _move(cluster, directory)
    return canonical(static).encode()


def _move(cluster: Message, directory: Path) -> None:
    """Without names to resolve and without health checks: the echo is always there."""
    service = cluster["name"] in {ext_authz.CLUSTER, ratelimit.CLUSTER}
    socket = service_socket(directory, cluster["name"]) if service else echo_socket(directory)
    cluster["type"] = "STATIC"
    cluster.pop("health_checks", None)
    cluster.pop("transport_socket", None)
    cluster["load_assignment"]["endpoints"] = [
        {"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}}]}
    ]
    if not service:
        cluster["typed_extension_protocol_options"][_OPTIONS] |= _ANSWERED_WITH_HTTP1


def _be_patient(listener: Message) -> None:
    """One client after the other, and a connection each: how soon the last one is gone must not matter either."""
    *network, manager = listener["filter_chains"][0]["filters"]
    for one in network:
        if one["name"] == "envoy.filters.network.connection_limit":
            one["typed_config"]["max_connections"] = CONNECTIONS
    filters: list[dict[str, Any]] = manager["typed_config"]["http_filters"]
    for one in filters:
        if one["name"] == "envoy.filters.http.ext_authz":
            one["typed_config"]["grpc_service"]["timeout"] = PATIENCE
        elif one["name"] == "envoy.filters.http.local_ratelimit":
            one["typed_config"]["descriptors"][0]["token_bucket"] = _INEXHAUSTIBLE
        elif one["name"] == "envoy.filters.http.ratelimit":
            one["typed_config"]["timeout"] = PATIENCE
