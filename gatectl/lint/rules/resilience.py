"""What happens when an upstream is slow or away."""

from collections.abc import Iterator

from gatectl.fields import is_address
from gatectl.lint.rule import Found, Rule
from gatectl.lint.rules.upstreams import distance
from gatectl.lint.subject import Path, Subject, Thing, rules_of
from gatectl.spec.model import Route, Upstream

_SAFE_TO_REPEAT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
"""Idempotent methods (RFC 9110, section 9.2.2)."""
_AFTER_WORK = {"5xx", "gateway-error", "reset"}
"""Reasons to retry that an upstream can give after it has done what was asked."""
_LONGEST_TIMEOUT_MS = 60_000


def _unchecked(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.used_upstreams:
        if upstream.health_check is None:
            yield Found(Thing("upstream", name), "has no health check", subject.at("upstreams", name))


def _single(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.used_upstreams:
        host = upstream.endpoints[0].rpartition(":")[0].strip("[]")
        if len(upstream.endpoints) == 1 and is_address(host) and distance(upstream.endpoints[0]) != "here":
            at = subject.at("upstreams", name, "endpoints")
            yield Found(Thing("upstream", name), "has one endpoint", at)


def _repeats(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.used_upstreams:
        reasons = [reason for reason in upstream.retries.on if reason in _AFTER_WORK]
        for index, route in subject.routes_to[name] if reasons else ():
            methods = _unrepeatable(subject, index, route)
            if methods:
                shown = subject.shown_in("upstreams", name, "retries", "on")
                reasons_shown = ", ".join(shown.get(reason, reason) for reason in reasons)
                text = f"repeats {methods} of {subject.route(index).quoted} after {reasons_shown}"
                yield Found(Thing("upstream", name), text, subject.at("upstreams", name, "retries", "on"))
                break


def _unrepeatable(subject: Subject, index: int, route: Route) -> str:
    """The methods of a route that must not be sent twice, in words."""
    methods = subject.shown_in("routes", index, "match", "methods")
    if not methods:
        rules = rules_of(route)
        if not rules or any(rule.methods is None for rule in rules):
            return "any method"
        for position in range(len(rules)):
            methods |= subject.shown_in("routes", index, "access", position, "methods")
    return ", ".join(shown for method, shown in sorted(methods.items()) if method not in _SAFE_TO_REPEAT)


def _no_second_try(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.used_upstreams:
        per_try = upstream.retries.per_try_timeout
        for index, route in subject.routes_to[name] if per_try is not None else ():
            if per_try is not None and per_try >= _timeout(route, upstream):
                path = ("upstreams", name, "retries", "per_try_timeout")
                text = f"gives one try {subject.shown(*path)}, and {subject.route(index).quoted} no more in all"
                yield Found(Thing("upstream", name), text, subject.at(*path))
                break


def _timeout(route: Route, upstream: Upstream) -> int:
    return route.timeout if route.timeout is not None else upstream.timeout


def _timeouts(subject: Subject) -> Iterator[tuple[Thing, Path, int]]:
    """Every timeout that is in force on some route, and where it is said."""
    for name, upstream in subject.used_upstreams:
        if any(route.timeout is None for _, route in subject.routes_to[name]):
            yield Thing("upstream", name), ("upstreams", name, "timeout"), upstream.timeout
    for index, route in subject.routes:
        if route.timeout is not None:
            yield subject.route(index), ("routes", index, "timeout"), route.timeout


def _long_timeout(subject: Subject) -> Iterator[Found]:
    for thing, path, timeout in _timeouts(subject):
        if timeout > _LONGEST_TIMEOUT_MS:
            yield Found(thing, f"may take {subject.shown(*path)} to answer", subject.at(*path))


def _idle_first(subject: Subject) -> Iterator[Found]:
    for thing, path, timeout in _timeouts(subject):
        if timeout > subject.spec.listener.idle_timeout:
            text = "never waits that long: the listener's idle_timeout ends the stream before"
            yield Found(thing, text, subject.at(*path))


def _hasty_check(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.spec.upstreams.items():
        check = upstream.health_check
        if check is not None and check.timeout >= check.interval:
            said = "timeout" if "timeout" in check.model_fields_set else "interval"
            at = subject.at("upstreams", name, "health_check", said)
            yield Found(Thing("upstream", name), "checks again while the last health check may be under way", at)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL040",
        "no-health-check",
        "info",
        "reliability",
        0,
        "an upstream has no health check",
        "An endpoint that is down is found by requests that fail, again and again until it is back.",
        "Add `health_check: {path: /healthz}`.",
        _unchecked,
    ),
    Rule(
        "GL041",
        "single-endpoint",
        "info",
        "reliability",
        0,
        "an upstream has one endpoint",
        "Whenever it restarts, clients get 503.",
        "Add a second endpoint, or a name that resolves to several.",
        _single,
    ),
    Rule(
        "GL042",
        "repeated-writes",
        "warning",
        "reliability",
        0,
        "retries repeat requests that must happen once",
        "An order may be placed twice: the upstream answers late or breaks off after it has done the work.",
        "Retry on `connect-failure` and `refused-stream` only, or split off routes for GET.",
        _repeats,
    ),
    Rule(
        "GL043",
        "no-second-try",
        "warning",
        "reliability",
        0,
        "a retry never happens: the first try has all the time",
        "The request has timed out as a whole before its first try does.",
        "Make `per_try_timeout` smaller: the timeout divided by the number of tries.",
        _no_second_try,
    ),
    Rule(
        "GL044",
        "long-timeout",
        "info",
        "reliability",
        0,
        "a timeout is longer than a minute",
        "Requests whose clients have gone fill the upstream's connections, and the circuit breaker sees it late.",
        "Answer at once and let clients ask again, or give the one slow path a route of its own.",
        _long_timeout,
    ),
    Rule(
        "GL045",
        "idle-before-timeout",
        "warning",
        "reliability",
        0,
        "the listener gives up before a timeout does",
        "Its `idle_timeout` also ends a request whose answer has not begun; the longer timeout is never reached.",
        "Make `idle_timeout` of the listener longer than every timeout, or the timeout shorter.",
        _idle_first,
    ),
    Rule(
        "GL046",
        "hasty-health-check",
        "warning",
        "reliability",
        0,
        "a health check has no time to fail",
        "When `timeout` is not below `interval`, checks pile up on an upstream that is slow already.",
        "Make `timeout` smaller than `interval`; 2s and 5s are the defaults.",
        _hasty_check,
    ),
)
