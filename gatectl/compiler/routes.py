"""Routes → virtual hosts, keeping the order of the spec for every host name."""

import re
from collections.abc import Mapping, Sequence

from gatectl.compiler.limits import descriptors, filters_with_limits, replaced_headers
from gatectl.compiler.names import cluster_id, route_id
from gatectl.compiler.upstreams import filters_of
from gatectl.snapshot import Cors, HeaderMatch, PathMatch, Retry, Rewrite, Route, VirtualHost
from gatectl.spec import model
from gatectl.spec.holding import holding

ANY_HOST = ANY_ORIGIN = "*"


def compile_virtual_hosts(spec: model.Spec) -> tuple[VirtualHost, ...]:
    """One virtual host for each set of host names that get the same routes; ``*`` is always there and last."""
    compiled = [_route(spec, route) for route in spec.routes]
    hosts = sorted({host for route in spec.routes for host in route.match.hosts})
    groups: dict[tuple[int, ...], list[str]] = {}
    for host in hosts:
        groups.setdefault(_routes_for(host, spec.routes), []).append(host)
    default = tuple(index for index, route in enumerate(spec.routes) if not route.match.hosts)
    return (
        *(VirtualHost(names[0], tuple(names), _pick(compiled, indices)) for indices, names in groups.items()),
        VirtualHost(ANY_HOST, (ANY_HOST,), _pick(compiled, default)),
    )


def _routes_for(host: str, routes: Sequence[model.Route]) -> tuple[int, ...]:
    """Envoy looks into one virtual host only, the most specific: it must hold everything that applies to ``host``."""
    return tuple(
        index
        for index, route in enumerate(routes)
        if not route.match.hosts
        or any(own == host or (own.startswith("*.") and host.endswith(own[1:])) for own in route.match.hosts)
    )


def _pick(routes: Sequence[Route], indices: Sequence[int]) -> tuple[Route, ...]:
    return tuple(routes[index] for index in indices)


def _route(spec: model.Spec, route: model.Route) -> Route:
    upstream = spec.upstreams[route.upstream]
    held = holding(spec.rate_limits, route.name)
    cors = route.cors or spec.cors
    methods = route.match.methods
    if methods and cors and "OPTIONS" not in methods:
        methods = (*methods, "OPTIONS")  # a preflight must find the route whose policy answers it
    return Route(
        id=route_id(route.name),
        path=_path(route.match),
        methods="|".join(methods) or None,
        headers=tuple(_header(name, matcher) for name, matcher in sorted(route.match.headers.items())),
        cluster=cluster_id(route.upstream),
        timeout_ms=route.timeout if route.timeout is not None else upstream.timeout,
        retry=Retry(",".join(upstream.retries.on), upstream.retries.attempts, upstream.retries.per_try_timeout),
        rewrite=_rewrite(route) if route.rewrite_prefix is not None else None,
        hash_by=upstream.hash_by,
        request_headers_set=_pairs(route.request_headers.set),
        request_headers_remove=route.request_headers.remove,
        response_headers_set=_pairs(route.response_headers.set),
        response_headers_remove=(*route.response_headers.remove, *replaced_headers(held)),
        cors=_cors(cors) if cors else None,
        own_filters=(*filters_with_limits(spec.rate_limiting, held), *filters_of(route.upstream, upstream)),
        descriptors=descriptors(spec, route, held),
    )


def _path(match: model.Match) -> PathMatch:
    if match.path is not None:
        return PathMatch("exact", match.path)
    if match.path_prefix is not None:
        prefix = match.path_prefix.rstrip("/")
        return PathMatch("prefix", prefix) if prefix else PathMatch("all", "/")
    segments = (match.path_template or "").split("/")
    # Envoy caps the length of a variable's name and never uses it: ext_authz reads the variables
    short = (f"{{v{index}}}" if segment.startswith("{") else segment for index, segment in enumerate(segments))
    return PathMatch("template", "/".join(short))


def _rewrite(route: model.Route) -> Rewrite:
    """Whole segments for whole segments: never a double slash, never two segments run together.

    Envoy's own prefix_rewrite exchanges the very text that matched: ``/old`` for ``/`` makes ``//x`` of ``/old/x``.
    """
    prefix, rewrite = (route.match.path_prefix or "").rstrip("/"), (route.rewrite_prefix or "").rstrip("/")
    if prefix and rewrite:
        return Rewrite(f"^{re.escape(prefix)}", rewrite)
    return Rewrite(f"^{re.escape(prefix)}/?", f"{rewrite}/")


def _header(name: str, matcher: str | model.HeaderMatcher) -> HeaderMatch:
    if isinstance(matcher, str):
        return HeaderMatch(name.lower(), "exact", matcher)
    if matcher.prefix is not None:
        return HeaderMatch(name.lower(), "prefix", matcher.prefix)
    if matcher.exact is not None:
        return HeaderMatch(name.lower(), "exact", matcher.exact)
    return HeaderMatch(name.lower(), "present", "")


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """``%`` begins a command in Envoy's header values; what the user wrote is text."""
    return tuple((name, value.replace("%", "%%")) for name, value in sorted(headers.items()))


def _cors(cors: model.Cors) -> Cors:
    return Cors(
        allow_origins=tuple(origin for origin in cors.allow_origins if origin != ANY_ORIGIN),
        allow_any_origin=ANY_ORIGIN in cors.allow_origins,
        allow_methods=",".join(cors.allow_methods),
        allow_headers=",".join(cors.allow_headers),
        expose_headers=",".join(cors.expose_headers),
        allow_credentials=cors.allow_credentials,
        max_age_seconds=cors.max_age // 1000,
    )
