"""What is open, and for how many."""

import ipaddress
from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Path, Subject, Thing, granting
from gatectl.spec.model import Route

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""They change nothing (RFC 9110, section 9.2.1). TRACE is safe too, and no gateway should pass it on."""
_SLOWEST_HEADERS_MS = 60_000


def _public_write(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        if route.access == "public":
            path: Path = ("routes", index, "match", "methods")
            unsafe = [shown for method, shown in subject.shown_in(*path).items() if method not in SAFE_METHODS]
            if unsafe or not route.match.methods:
                text = f"is public and takes {', '.join(unsafe) or 'any method'}"
                yield Found(subject.route(index), text, subject.at(*path))


def _public_everywhere(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        if route.access == "public" and route.match.path_prefix == "/" and not route.match.hosts:
            at = subject.at("routes", index, "match", "path_prefix")
            yield Found(subject.route(index), "makes every path public that no other route takes", at)


def _public_unlimited(subject: Subject) -> Iterator[Found]:
    return (_unlimited(subject, index) for index, route in subject.routes if _lacks(subject, route, public=True))


def _private_unlimited(subject: Subject) -> Iterator[Found]:
    return (_unlimited(subject, index) for index, route in subject.routes if _lacks(subject, route, public=False))


def _unlimited(subject: Subject, index: int) -> Found:
    text = "has no rate limit"
    if subject.limits_on(subject.spec.routes[index].name):
        text += " that holds for all of its callers"
    return Found(subject.route(index), text, subject.at("routes", index, "name"))


def _lacks(subject: Subject, route: Route, *, public: bool) -> bool:
    return (route.access == "public") is public and not _is_limited(subject, route)


def _is_limited(subject: Subject, route: Route) -> bool:
    """Whether some limit counts whoever gets through: without ``when``, or for every role that a rule asks for."""
    limits = [limit for _, limit in subject.limits_on(route.name)]
    if any(not limit.when for limit in limits):
        return True
    by_role = {role for limit in limits if set(limit.when) == {"role"} for role in limit.when["role"]}
    roles = [subject.roles_of(rule) for _, rule in granting(route)]
    return bool(roles) and all(one is not None and set(one) <= by_role for one in roles)


def _anyone(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        for position, rule in granting(route):
            if rule.roles is None and rule.permissions is None and rule.where is None:
                path: Path = ("routes", index, "access", position)
                methods = ", ".join(subject.shown_in(*path, "methods").values())
                text = "lets in everybody with any valid credential" + (f" for {methods}" if methods else "")
                yield Found(subject.route(index), text, subject.at(*path))


def _any_method(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        for position, rule in granting(route):
            if rule.methods is None and not route.match.methods:
                at = subject.at("routes", index, "access", position)
                yield Found(subject.route(index), "has an access rule that grants any method", at)


def _believed_proxies(subject: Subject) -> Iterator[Found]:
    listener = subject.spec.listener
    address = ipaddress.ip_address(listener.address)
    if listener.trusted_proxies and (address.is_unspecified or address.is_global):
        at = subject.at("listener", "trusted_proxies")
        text = "believes X-Forwarded-For and can be reached beside the proxies that write it"
        yield Found(Thing("listener"), text, at)


def _slow_headers(subject: Subject) -> Iterator[Found]:
    if subject.spec.listener.request_headers_timeout > _SLOWEST_HEADERS_MS:
        at = subject.at("listener", "request_headers_timeout")
        text = f"waits {subject.shown('listener', 'request_headers_timeout')} for the headers of a request"
        yield Found(Thing("listener"), text, at)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL001",
        "public-write",
        "error",
        "security",
        40,
        "a public route takes methods that write",
        "Whoever finds the address can change data, and nobody can say afterwards who it was.",
        "Write `methods: [GET, HEAD]` in its match, or give it access rules.",
        _public_write,
    ),
    Rule(
        "GL002",
        "public-everywhere",
        "warning",
        "security",
        20,
        "a public route takes every path",
        "A path that nobody thought of is open: the next one that the upstream learns, and every forgotten one.",
        "List the paths that are meant to be public, or give the route a host of its own.",
        _public_everywhere,
    ),
    Rule(
        "GL003",
        "public-unlimited",
        "warning",
        "security",
        25,
        "a public route has no rate limit",
        "One caller can take all that the upstream has, or try passwords and ids as fast as the network allows.",
        "Add a limit without `when` that counts `per: [client_address]`.",
        _public_unlimited,
    ),
    Rule(
        "GL004",
        "unlimited",
        "warning",
        "security",
        10,
        "a route has no rate limit that holds for all of its callers",
        "One stolen or runaway credential can take all that the upstream has, or copy all that it may read.",
        "Add a limit without `when` that counts `per: [user]`, or limits for each role that its rules name.",
        _private_unlimited,
    ),
    Rule(
        "GL005",
        "any-caller",
        "info",
        "security",
        2,
        "a route lets in every caller that can prove who it is",
        "Every key and token that any issuer ever gives out opens it, also those made for something else.",
        "Name the `roles`, or compare the path with the user in `where`.",
        _anyone,
    ),
    Rule(
        "GL006",
        "any-method",
        "warning",
        "security",
        5,
        "an access rule grants any method",
        "Who was meant to read may delete, also by methods that the upstream learns later.",
        "Say the `methods` in the rule, or in the match of the route.",
        _any_method,
    ),
    Rule(
        "GL007",
        "believed-proxies",
        "warning",
        "security",
        5,
        "X-Forwarded-For is believed from everybody who can connect",
        "Who reaches the listener without going through the proxies chooses the address that limits and logs see.",
        "Listen on an address that only the proxies reach; if a firewall sees to that, ignore this and say so.",
        _believed_proxies,
    ),
    Rule(
        "GL008",
        "slow-headers",
        "warning",
        "security",
        3,
        "the listener waits very long for the headers of a request",
        "A few slow clients hold all connections open (Slowloris).",
        "Keep `request_headers_timeout` at 60s or below; 10s is the default.",
        _slow_headers,
    ),
)
