"""Clusters → upstreams."""

from typing import Any

from gatectl.fields import LONGEST_MS
from gatectl.importing.envoy_dump import Dump, Item, Notes, span
from gatectl.importing.tls import tls_to

_BALANCING = {"ROUND_ROBIN": "round_robin", "LEAST_REQUEST": "least_request", "RING_HASH": "ring_hash"}
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ALWAYS = ("name", "type", "dns_lookup_family", "respect_dns_ttl", "common_lb_config", "alt_stat_name")
"""What a cluster is called, and how its names are looked up: every upstream has these in one way."""


def upstream_of(cluster: Item, dump: Dump, notes: Notes) -> dict[str, Any] | None:
    """The upstream; None, and a note, when nothing of it could be reached."""
    cluster.ignore(*_ALWAYS)
    name = str(cluster.data.get("name"))
    endpoints = _endpoints(cluster, dump, notes)
    if not endpoints:
        notes.add(f'the cluster "{name}" is left out: it names no address', cluster.path)
        return None
    upstream: dict[str, Any] = {"endpoints": endpoints}
    if cluster.take("transport_socket") is not None:
        upstream["tls"] = tls_to(endpoints)
        message = "its certificate must be for its endpoints, from an authority of the system: put in ca, sni and pins"
        notes.add(message, cluster.path, decided=True)
    if _http2(cluster):
        upstream["protocol"] = "http2"
    balancing = cluster.take("lb_policy", str) or "ROUND_ROBIN"
    if balancing in _BALANCING:
        upstream["load_balancing"] = _BALANCING[balancing]
    else:
        notes.add(f"load balancing {balancing} is not supported: it is round_robin", cluster.path)
    _put(upstream, "connect_timeout", _time(cluster, "connect_timeout", 5000))
    breaker = _circuit_breaker(cluster, upstream, notes)
    if breaker:
        upstream["circuit_breaker"] = breaker
    check = _health_check(cluster, notes)
    if check:
        upstream["health_check"] = check
    return upstream


def _endpoints(cluster: Item, dump: Dump, notes: Notes) -> list[str]:
    assignment = cluster.item("load_assignment")
    if not assignment.data:
        service = cluster.item("eds_cluster_config").take("service_name", str)
        assignment = dump.endpoints.get(service or str(cluster.data.get("name")), assignment)
    assignment.ignore("cluster_name", "named_endpoints")
    found: list[str] = []
    for locality in assignment.items("endpoints"):
        if locality.number("priority"):
            notes.add("priorities of endpoints are not supported: all are alike", locality.path)
        locality.ignore("locality", "proximity")
        for one in locality.items("lb_endpoints"):
            one.ignore("health_status", "metadata")
            if (one.number("load_balancing_weight") or 1) > 1:
                notes.add("weights of endpoints are not supported: all are alike", one.path)
            endpoint = one.item("endpoint")
            endpoint.ignore("health_check_config", "hostname")
            address = endpoint.item("address")
            socket = address.item("socket_address")
            host, port = socket.take("address", str), socket.number("port_value")
            socket.ignore("protocol", "resolver_name")
            if host and port and port < 65536:
                found.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            else:
                notes.add("an endpoint without host and port is left out", endpoint.path)
                address.ignore(*address.data)
    return list(dict.fromkeys(found))


def _http2(cluster: Item) -> bool:
    options = cluster.item("typed_extension_protocol_options").item(_HTTP)
    explicit = options.item("explicit_http_config")
    plain = cluster.take("http2_protocol_options") is not None
    explicit.ignore("http_protocol_options")
    return explicit.take("http2_protocol_options") is not None or plain


def _circuit_breaker(cluster: Item, upstream: dict[str, Any], notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {}
    outlier = cluster.item("outlier_detection")
    failures = outlier.number("consecutive_gateway_failure") or outlier.number("consecutive_5xx")
    outlier.ignore(*outlier.data)  # how ejection works is the same for every upstream
    _put(made, "consecutive_failures", failures)
    _put(made, "ejection_time", _time(outlier, "base_ejection_time", 30_000) if outlier.data else None)
    for threshold in cluster.item("circuit_breakers").items("thresholds"):
        if threshold.take("priority", str) == "HIGH":
            notes.add("limits of the priority HIGH are not carried over", threshold.path)
            threshold.ignore(*threshold.data)
            continue
        for name in ("max_connections", "max_pending_requests", "max_requests"):
            _put(made, name, threshold.number(name))
        percent = threshold.item("retry_budget").item("budget_percent").number("value")
        if percent:
            upstream["retries"] = {"budget_percent": percent}
        threshold.ignore("track_remaining", "retry_budget", "max_retries")
        for item in threshold.below:
            item.ignore(*item.data)
    return made


def _health_check(cluster: Item, notes: Notes) -> dict[str, Any]:
    checks = cluster.items("health_checks")
    for index, check in enumerate(checks):
        path = check.item("http_health_check").take("path", str)
        if path is None or index:
            notes.add("a health check is left out: one is possible, by HTTP", check.path)
            check.ignore(*check.data)
    made: dict[str, Any] = {}
    for check in checks[:1]:
        http = check.item("http_health_check")
        if (path := http.take("path", str)) is not None:
            made["path"] = path
            _put(made, "interval", _time(check, "interval"))
            _put(made, "timeout", _time(check, "timeout"))
            _put(made, "healthy_threshold", check.number("healthy_threshold"))
            _put(made, "unhealthy_threshold", check.number("unhealthy_threshold"))
            check.ignore("no_traffic_interval", "no_traffic_healthy_interval")
    return made


def _time(item: Item, name: str, otherwise: int | None = None) -> str | None:
    """A duration as text; ``otherwise`` (milliseconds) is Envoy's own default."""
    milliseconds = item.duration(name) or otherwise
    return span(min(milliseconds, LONGEST_MS)) if milliseconds else None


def _put(mapping: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        mapping[name] = value
