"""What types cannot say: names that refer to nothing, settings that contradict, routes that can never match."""

from collections.abc import Callable, Iterator

from ext_authz.policy import IDENTITY_HEADER_PREFIX
from gatectl.diagnostics import Diagnostic
from gatectl.spec import check_access, check_limits
from gatectl.spec.check_access import route_title
from gatectl.spec.check_tls import check_tls
from gatectl.spec.draft import Draft
from gatectl.spec.names import known
from gatectl.spec.overlap import shadowed

Check = Callable[[Draft], Iterator[Diagnostic]]


def check(draft: Draft) -> list[Diagnostic]:
    """Every mistake that only the whole spec shows."""
    return [diagnostic for one in CHECKS for diagnostic in one(draft)]


def _references(draft: Draft) -> Iterator[Diagnostic]:
    upstreams = {name: name for name in draft.keys("upstreams")}
    for index, upstream in draft.words("upstream", "routes"):
        node = draft.tree.find(("routes", index, "upstream"))
        yield from known(node.at, route_title(draft, index), "upstream", upstream, upstreams, node.shown)
    users = {
        user: draft.shown("development", "keys", i, "user") for i, user in draft.words("user", "development", "keys")
    }
    for index, key in draft.words("key", "development", "requests"):
        path = ("development", "requests", index)
        who = f'request "{draft.shown(*path, "title")}"'
        node = draft.tree.find((*path, "key"))
        yield from known(node.at, who, "development key", key, users, node.shown)


UNIQUE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("name", ("routes",)),
    ("name", ("rate_limits",)),
    ("name", ("authentication", "jwt")),
    ("issuer", ("authentication", "jwt")),
    ("id", ("authentication", "api_keys", "static")),
    ("uri", ("authentication", "certificates")),
    ("dns", ("authentication", "certificates")),
    ("name", ("development", "processes")),
    ("user", ("development", "keys")),
)


def _duplicates(draft: Draft) -> Iterator[Diagnostic]:
    for field, path in UNIQUE:
        seen: dict[str, int] = {}
        for index, name in draft.words(field, *path):
            if name in seen:
                first = draft.tree.find((*path, seen[name], field)).at
                node = draft.tree.find((*path, index, field))
                message = f'{path[-1]}: the {field} "{node.shown}" is already taken'
                yield Diagnostic("GC0104", message, node.at, f"first at {first.file}:{first.line}")
            seen.setdefault(name, index)


def _exactly_one(draft: Draft) -> Iterator[Diagnostic]:
    for index, issuer in draft.issuers:
        if len(issuer.jwks.model_dump(exclude_none=True, include={"file", "url", "local"})) != 1:
            at = draft.tree.find(("authentication", "jwt", index, "jwks")).at
            who = f'issuer "{draft.shown("authentication", "jwt", index, "name")}"'
            yield Diagnostic("GC0108", f"{who} needs exactly one of file, url, local for its JWKS", at)
        for position, mapping in enumerate(issuer.claims.map):
            at = draft.tree.find(("authentication", "jwt", index, "claims", "map", position)).at
            if (mapping.equals is None) == (mapping.contains is None):
                yield Diagnostic("GC0108", "a claim's mapping needs exactly one of equals, contains", at)
            if not (mapping.roles or mapping.plan or mapping.attributes):
                message = "a claim's mapping that gives nothing means nothing"
                yield Diagnostic("GC0108", message, at, "give it roles, a plan or attributes")
    for index, route in draft.routes:
        given = [name for name in ("path", "path_prefix", "path_template") if getattr(route.match, name) is not None]
        if len(given) != 1:
            node = draft.tree.find(("routes", index, "match"))
            message = f"{route_title(draft, index)} needs exactly one of path, path_prefix, path_template"
            yield Diagnostic("GC0108", message, node.key_at or node.at)
        for header, matcher in route.match.headers.items():
            if not isinstance(matcher, str) and len(matcher.model_dump(exclude_none=True)) != 1:
                at = draft.tree.find(("routes", index, "match", "headers", header)).at
                yield Diagnostic("GC0108", f'header "{header}" needs exactly one of exact, prefix, present', at)


def _contradictions(draft: Draft) -> Iterator[Diagnostic]:
    for index, route in draft.routes:
        if route.access != "public" and not draft.authenticates:
            message = f"{route_title(draft, index)} needs a caller, but no authentication is configured"
            at = draft.tree.find(("routes", index, "access")).at
            yield Diagnostic("GC0108", message, at, "add authentication.api_keys, .jwt or .certificates")
        if route.rewrite_prefix is not None and route.match.path_prefix is None:
            message = f"{route_title(draft, index)} has rewrite_prefix but no path_prefix"
            yield Diagnostic("GC0108", message, draft.tree.find(("routes", index, "rewrite_prefix")).at)
        for header in route.request_headers.set:
            if header.lower().startswith(IDENTITY_HEADER_PREFIX):
                node = draft.tree.find(("routes", index, "request_headers", "set", header))
                message = f"{route_title(draft, index)} sets {header}: what says who is calling is never a constant"
                yield Diagnostic("GC0108", message, node.key_at or node.at)
    for name, upstream in draft.upstreams.items():
        if (upstream.load_balancing == "ring_hash") != (upstream.hash_by is not None):
            message = f'upstream "{name}": load_balancing ring_hash and hash_by belong together'
            yield Diagnostic("GC0108", message, draft.tree.find(("upstreams", name)).at)
        for position, endpoint in enumerate(upstream.endpoints):
            if not 1 <= int(endpoint.rpartition(":")[2]) <= 65535:
                at = draft.tree.find(("upstreams", name, "endpoints", position)).at
                yield Diagnostic("GC0106", f'upstream "{name}": the port must be 1 to 65535', at)


def _adaptive(draft: Draft) -> Iterator[Diagnostic]:
    for name, upstream in draft.upstreams.items():
        control = upstream.adaptive_concurrency
        if control is not None and control.min_requests > control.max_requests:
            message = f'upstream "{name}": min_requests is more than max_requests'
            yield Diagnostic("GC0108", message, draft.tree.find(("upstreams", name, "adaptive_concurrency")).at)


def _abuse(draft: Draft) -> Iterator[Diagnostic]:
    if draft.abuse.slow_after > draft.abuse.refuse_after:
        said = "slow_after" if draft.at("abuse", "slow_after") is not None else "refuse_after"
        message = "abuse: slow_after is more than refuse_after: nobody would be slowed before being refused"
        yield Diagnostic("GC0108", message, draft.tree.find(("abuse", said)).at, "make slow_after the smaller one")


def _credential_headers(draft: Draft) -> Iterator[Diagnostic]:
    header = draft.at("authentication", "api_keys", "header")
    if header is not None and str(header.value).lower() == "cookie":
        message = "the Cookie header holds other things than a key"
        yield Diagnostic("GC0108", message, header.at, "name the cookie: `cookie: api_key` instead of `header`")
    if header is not None and str(header.value).lower() == "authorization" and draft.issuers:
        message = "API keys and tokens cannot share the Authorization header: no request could say which it carries"
        yield Diagnostic("GC0108", message, header.at, "name another header, such as X-API-Key")


def _cors(draft: Draft) -> Iterator[Diagnostic]:
    for path, cors in draft.cors:
        if cors.allow_credentials and "*" in cors.allow_origins:
            at = draft.tree.find((*path, "allow_origins")).at
            message = "allow_credentials with the origin * opens every user's session to every site"
            yield Diagnostic("GC0108", message, at, "list the origins")


def _never_match(draft: Draft) -> Iterator[Diagnostic]:
    routes = [route for _, route in draft.routes]
    for later, earlier in shadowed(routes):
        index, winner = draft.routes[later][0], draft.shown("routes", draft.routes[earlier][0], "name")
        node = draft.tree.find(("routes", index, "match"))
        message = f'{route_title(draft, index)} can never match: "{winner}" takes all its requests'
        yield Diagnostic("GC0107", message, node.key_at or node.at, "the first route that matches wins: move it up")


CHECKS: tuple[Check, ...] = (
    _references,
    _duplicates,
    _exactly_one,
    _contradictions,
    _adaptive,
    *check_limits.CHECKS,
    _abuse,
    _credential_headers,
    check_access.roles,
    check_access.rules,
    check_access.conditions,
    check_access.means,
    check_access.certificates,
    _cors,
    check_tls,
    _never_match,
)
