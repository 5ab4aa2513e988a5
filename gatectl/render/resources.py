"""Snapshot → Envoy's resources, as JSON data."""

from ext_authz import policy as authz
from gatectl.compiler.names import HTTP3, ROUTES
from gatectl.render import transport
from gatectl.render.filters import ext_authz as ext_authz_filter
from gatectl.render.filters import http_filters
from gatectl.render.filters import ratelimit as ratelimit_filter
from gatectl.render.problems import PROBLEMS, REQUEST_ID
from gatectl.render.templates import Message, render
from gatectl.snapshot import Endpoint, Route, Snapshot
from ratelimit_svc import policy as limits

AUTHZ = {
    "namespace": authz.METADATA_NAMESPACE,
    "absent": authz.ABSENT,
    "user": authz.METADATA_USER,
    "auth_method": authz.METADATA_AUTH_METHOD,
    "decision": authz.METADATA_DECISION,
    "reason": authz.METADATA_REASON,
    "shadow": authz.METADATA_SHADOW,
    "detail": authz.METADATA_DETAIL,
}
LIMITS = {
    "namespace": limits.METADATA_NAMESPACE,
    "revision_key": limits.REVISION_KEY,
    "limit": limits.METADATA_LIMIT,
    "decision": limits.METADATA_DECISION,
    "detail": limits.METADATA_DETAIL,
    "retry_after": limits.METADATA_RETRY_AFTER,
}


FILES: dict[str, Message] = {
    kind: {"path": f"current/envoy/{kind}.json", "watched_directory": {"path": "."}} for kind in ("lds", "cds", "rds")
}
"""Where Envoy finds its files (envoy.config.core.v3.PathConfigSource): relative to the state directory, which is
Envoy's working directory, so that a bundle is the same bytes wherever it is deployed. A rename in the watched
directory, which is how ``current`` is switched, makes Envoy read them again."""


def listeners(snapshot: Snapshot) -> list[Message]:
    """envoy.config.listener.v3.Listener: the one for TCP, and one for QUIC if there is HTTP/3."""
    tls = snapshot.listener.tls
    codec = "AUTO" if tls is None or tls.http2 else "HTTP1"
    found = [_listener(snapshot, ROUTES, "TCP", codec, transport.downstream(tls) if tls is not None else None)]
    if tls is not None and tls.http3:
        found.append(_listener(snapshot, HTTP3, "UDP", "HTTP3", transport.quic(tls)))
    return found


def _listener(snapshot: Snapshot, name: str, protocol: str, codec: str, transport_socket: Message | None) -> Message:
    """What a request meets is the same behind every listener."""
    manager = render(
        "http_connection_manager",
        name=ROUTES,
        codec=codec,
        listener=snapshot.listener,
        files=FILES,
        http_filters=http_filters(snapshot),
        access_log=[render("access_log", authz=AUTHZ, limits=LIMITS)],
        local_reply=render("local_reply", authz=AUTHZ, limits=LIMITS, problems=PROBLEMS, request_id=REQUEST_ID),
        identity_prefix=authz.IDENTITY_HEADER_PREFIX,
    )
    chain = render(
        "filter_chain",
        name=ROUTES,
        listener=snapshot.listener,
        http_connection_manager=manager,
        transport_socket=transport_socket,
    )
    return render("listener", name=name, protocol=protocol, listener=snapshot.listener, filter_chain=chain)


def clusters(snapshot: Snapshot) -> list[Message]:
    """envoy.config.cluster.v3.Cluster, one for each upstream."""
    return [
        render(
            "cluster",
            cluster=cluster,
            transport_socket=transport.upstream(cluster.tls, http2=cluster.http2) if cluster.tls is not None else None,
        )
        for cluster in snapshot.clusters
    ]


def route_configuration(snapshot: Snapshot, revision: str, *, validate_clusters: bool = False) -> Message:
    """envoy.config.route.v3.RouteConfiguration."""
    not_found = render("not_found")
    messages: dict[str, Message] = {}

    def message(route: Route) -> Message:
        """A route that stands in several virtual hosts is rendered once."""
        if route.id not in messages:
            messages[route.id] = _route(route, revision)
        return messages[route.id]

    virtual_hosts = [
        render("virtual_host", virtual_host=host, routes=[*(message(route) for route in host.routes), not_found])
        for host in snapshot.virtual_hosts
    ]
    tls = snapshot.listener.tls
    return render(
        "route_configuration",
        name=ROUTES,
        virtual_hosts=virtual_hosts,
        validate_clusters=validate_clusters,
        alt_svc=_alt_svc(snapshot.listener.port) if tls is not None and tls.http3 else None,
    )


def _alt_svc(port: int) -> str:
    """Where HTTP/3 is (RFC 7838): on the same port, and that is known for a day."""
    return f'h3=":{port}"; ma=86400'


def _route(route: Route, revision: str) -> Message:
    return render(
        "route",
        route=route,
        revision=revision,
        context={authz.ROUTE_KEY: route.id, authz.REVISION_KEY: revision},
        user_header=authz.HEADER_USER,
        authz=AUTHZ,
        limits=LIMITS,
    )


def bootstrap(gateway: str, node_id: str, admin: Endpoint | str, ext_authz: Endpoint, ratelimit: Endpoint) -> Message:
    """envoy.config.bootstrap.v3.Bootstrap. ``admin`` is a unix socket's path, or an endpoint."""
    if isinstance(admin, str):
        admin_address: Message = {"pipe": {"path": admin, "mode": 0o600}}
    else:
        admin_address = {"socket_address": {"address": admin.host, "port_value": admin.port}}
    services = ((ext_authz_filter.CLUSTER, ext_authz), (ratelimit_filter.CLUSTER, ratelimit))
    return render(
        "bootstrap",
        node_id=node_id,
        gateway=gateway,
        admin_address=admin_address,
        files=FILES,
        service_clusters=[render("service_cluster", name=name, endpoint=endpoint) for name, endpoint in services],
    )
