"""Upstreams → clusters."""

from typing import Literal

from gatectl.compiler.names import cluster_id
from gatectl.compiler.tls import compile_upstream_tls
from gatectl.fields import is_address
from gatectl.snapshot import Cluster, Endpoint, HealthCheck
from gatectl.spec import model

_LB_POLICY: dict[str, Literal["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH"]] = {
    "round_robin": "ROUND_ROBIN",
    "least_request": "LEAST_REQUEST",
    "ring_hash": "RING_HASH",
}


def compile_upstreams(spec: model.Spec) -> tuple[Cluster, ...]:
    """One cluster for each upstream, in the order of their names."""
    return tuple(_cluster(name, upstream) for name, upstream in sorted(spec.upstreams.items()))


def _cluster(name: str, upstream: model.Upstream) -> Cluster:
    endpoints = tuple(_endpoint(text) for text in upstream.endpoints)
    breaker, check = upstream.circuit_breaker, upstream.health_check
    return Cluster(
        id=cluster_id(name),
        endpoints=endpoints,
        discovery="STATIC" if all(is_address(endpoint.host) for endpoint in endpoints) else "STRICT_DNS",
        lb_policy=_LB_POLICY[upstream.load_balancing],
        http2=upstream.protocol == "http2",
        tls=compile_upstream_tls(upstream.tls, endpoints) if upstream.tls is not None else None,
        connect_timeout_ms=upstream.connect_timeout,
        max_connections=breaker.max_connections,
        max_pending_requests=breaker.max_pending_requests,
        max_requests=breaker.max_requests,
        retry_budget_percent=upstream.retries.budget_percent,
        consecutive_failures=breaker.consecutive_failures,
        ejection_time_ms=breaker.ejection_time,
        health_check=_health_check(check) if check else None,
    )


def _health_check(check: model.HealthCheck) -> HealthCheck:
    return HealthCheck(
        path=check.path,
        interval_ms=check.interval,
        timeout_ms=check.timeout,
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
    )


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))
