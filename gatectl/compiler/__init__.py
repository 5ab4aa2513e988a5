"""Spec → Snapshot: pure, one file for each part of the language."""

from gatectl.compiler.access import compile_access, condition_headers
from gatectl.compiler.limits import compile_limits
from gatectl.compiler.routes import compile_virtual_hosts
from gatectl.compiler.upstreams import compile_upstreams
from gatectl.snapshot import Listener, Snapshot
from gatectl.spec.model import Spec


def compile_spec(spec: Spec) -> Snapshot:
    """What the spec means. The spec has been checked: there is nothing left to go wrong."""
    listener = spec.listener
    api_keys, authz = spec.authentication.api_keys, compile_access(spec)
    return Snapshot(
        name=spec.name,
        listener=Listener(
            address=listener.address,
            port=listener.port,
            max_request_body=listener.max_request_body,
            max_request_headers_kib=-(-listener.max_request_headers // 1024),
            max_connections=listener.max_connections,
            idle_timeout_ms=listener.idle_timeout,
            request_headers_timeout_ms=listener.request_headers_timeout,
            request_timeout_ms=listener.request_timeout,
            trusted_proxies=listener.trusted_proxies,
        ),
        clusters=compile_upstreams(spec),
        virtual_hosts=compile_virtual_hosts(spec),
        credential_headers=("authorization", *([api_keys.header.lower()] if api_keys else [])),
        condition_headers=condition_headers(authz),
        fail_closed_limits=spec.rate_limiting.when_redis_is_away == "deny",
        authz=authz,
        limits=compile_limits(spec),
    )
