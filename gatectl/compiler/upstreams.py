"""Upstreams → clusters."""

from typing import Literal

from gatectl.compiler.names import adaptive_concurrency_id, admission_control_id, cluster_id
from gatectl.compiler.tls import compile_upstream_tls
from gatectl.fields import is_address
from gatectl.snapshot import AdaptiveConcurrency, AdmissionControl, Cluster, Endpoint, HealthCheck
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
        adaptive_concurrency=_adaptive_concurrency(name, upstream.adaptive_concurrency),
        admission_control=_admission_control(name, upstream.admission_control),
    )


def filters_of(name: str, upstream: model.Upstream) -> tuple[str, ...]:
    """The filters that work on the routes of an upstream only."""
    own = (
        _admission_control(name, upstream.admission_control),
        _adaptive_concurrency(name, upstream.adaptive_concurrency),
    )
    return tuple(one.filter for one in own if one is not None)


def _adaptive_concurrency(name: str, wanted: model.AdaptiveConcurrency | None) -> AdaptiveConcurrency | None:
    if wanted is None:
        return None
    return AdaptiveConcurrency(
        filter=adaptive_concurrency_id(name),
        unloaded_latency_ms=wanted.unloaded_latency,
        headroom_percent=wanted.headroom_percent,
        min_requests=wanted.min_requests,
        max_requests=wanted.max_requests,
    )


def _admission_control(name: str, wanted: model.AdmissionControl | None) -> AdmissionControl | None:
    if wanted is None:
        return None
    return AdmissionControl(
        filter=admission_control_id(name),
        success_percent=wanted.success_percent,
        window_ms=wanted.window,
        min_requests_per_second=wanted.min_requests_per_second,
        max_rejection_percent=wanted.max_rejection_percent,
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
