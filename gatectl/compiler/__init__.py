"""Spec → Snapshot: pure, one file for each part of the language."""

from gatectl.compiler.abuse import compile_address_limit
from gatectl.compiler.access import compile_access, condition_headers
from gatectl.compiler.limits import compile_limits, compile_unjudged
from gatectl.compiler.routes import compile_virtual_hosts
from gatectl.compiler.tls import compile_listener_tls
from gatectl.compiler.upstreams import compile_upstreams
from gatectl.snapshot import Listener, Snapshot
from gatectl.spec.model import ApiKeys, Spec


def compile_spec(spec: Spec) -> Snapshot:
    """What the spec means. The spec has been checked: there is nothing left to go wrong."""
    listener = spec.listener
    api_keys, authz = spec.authentication.api_keys, compile_access(spec)
    return Snapshot(
        name=spec.name,
        listener=Listener(
            address=listener.address,
            port=listener.port,
            tls=compile_listener_tls(listener.tls) if listener.tls is not None else None,
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
        credential_headers=("authorization", *(_key_headers(api_keys) if api_keys else ())),
        condition_headers=condition_headers(authz),
        unjudged=compile_unjudged(spec.rate_limiting),
        address_limit=compile_address_limit(spec.abuse),
        authz=authz,
        limits=compile_limits(spec),
    )


def _key_headers(api_keys: ApiKeys) -> tuple[str, ...]:
    """The headers that may carry an API key."""
    header = (api_keys.header.lower(),) if api_keys.header is not None else ()
    return (*header, "cookie") if api_keys.cookie is not None else header
