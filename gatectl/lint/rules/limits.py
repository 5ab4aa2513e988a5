"""Rate limits that do not do what they say."""

from collections.abc import Iterator

from gatectl.diagnostics import Location
from gatectl.lint.rule import Found, Rule
from gatectl.lint.rules.tighter import never_first
from gatectl.lint.subject import Subject, Thing, rules_of
from gatectl.spec.holding import holding
from gatectl.spec.model import RateLimit

_ATTRIBUTE, _HEADER = "attribute.", "header."
_OF_ONE_CALLER = {"user", "client_address"}
"""What keeps anonymous callers apart: a limit per user counts them by address."""


def _nowhere(subject: Subject) -> Iterator[Found]:
    for index, limit in enumerate(subject.spec.rate_limits):
        if limit.routes == ():
            yield Found(subject.limit(index), "names no route, and counts nothing", _at(subject, index, "routes"))


def _refuses_all(subject: Subject) -> Iterator[Found]:
    for index, limit in enumerate(subject.spec.rate_limits):
        if any(one.requests == 0 for one in limit.limit):
            text = "refuses every request that it counts"
            yield Found(subject.limit(index), text, _at(subject, index, "limit"))


def _never_first(subject: Subject) -> Iterator[Found]:
    for loose, tight in never_first(subject.spec.rate_limits):
        text = f'can never refuse before "{subject.limit(tight).name}" does'
        yield Found(subject.limit(loose), text, _at(subject, loose, "limit"))


def _for_nobody(subject: Subject) -> Iterator[Found]:
    names = {route.name: route for _, route in subject.routes}
    for index, limit in enumerate(subject.spec.rate_limits):
        routes = names.values() if limit.routes is None else [names[name] for name in limit.routes]
        for dimension, values in limit.when.items():
            at = _at(subject, index, "when", dimension)
            if not _can_have(subject, dimension):
                yield Found(subject.limit(index), f"is for callers with a {dimension}, and no caller has one", at)
            elif dimension == "role" and routes:
                rules = [rule for route in routes for rule in rules_of(route)]
                # on a public route nobody has a role: none let him in
                open_to_any = any(rule.roles is None for rule in rules)
                if not open_to_any and not any(set(values) & set(rule.roles or ()) for rule in rules):
                    shown = ", ".join(subject.shown_in("rate_limits", index, "when", dimension).values())
                    text = f"is for {shown}, whom no rule of its routes lets in as such"
                    yield Found(subject.limit(index), text, at)


def _shared_counter(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        limits = [(position, limit) for position, limit in subject.limits_on(route.name) if not limit.when]
        if route.access != "public" or not limits or any(_OF_ONE_CALLER & set(limit.per) for _, limit in limits):
            continue
        text = f'has only limits that all anonymous callers share: "{subject.limit(limits[0][0]).name}"'
        yield Found(subject.route(index), text, subject.at("routes", index, "name"))


def _constant(subject: Subject) -> Iterator[Found]:
    for index, limit in enumerate(subject.spec.rate_limits):
        for position, dimension in enumerate(limit.per):
            if not _can_have(subject, dimension):
                text = f"counts by {dimension}, and no caller has one: they all share its counter"
                yield Found(subject.limit(index), text, _at(subject, index, "per", position))


def _can_have(subject: Subject, dimension: str) -> bool:
    """Whether any caller can have a value of a dimension."""
    if dimension.startswith(_ATTRIBUTE):
        return subject.can_have[""] or dimension.removeprefix(_ATTRIBUTE) in subject.can_have
    return {**subject.can_have, "api_key": subject.can_have[""]}.get(dimension, True)


def _evaded(subject: Subject) -> Iterator[Found]:
    for index, limit in enumerate(subject.spec.rate_limits):
        chosen = [(position, one) for position, one in enumerate(limit.per) if one.startswith(_HEADER)]
        for _, route in subject.routes if chosen else ():
            there = holding(subject.spec.rate_limits, route.name)
            if limit in there and not any(map(_backs, there)):
                position, dimension = chosen[0]
                text = f"counts by {dimension}, and whoever sends another value each time is never refused"
                yield Found(subject.limit(index), text, _at(subject, index, "per", position))
                break


def _backs(limit: RateLimit) -> bool:
    """Whether a limit holds every caller, whatever he sends."""
    return limit.enforce and not limit.when and not any(one.startswith(_HEADER) for one in limit.per)


def _not_enforced(subject: Subject) -> Iterator[Found]:
    for index, limit in enumerate(subject.spec.rate_limits):
        if not limit.enforce:
            yield Found(subject.limit(index), "counts, and refuses nobody", _at(subject, index, "enforce"))


def _fails_open(subject: Subject) -> Iterator[Found]:
    if subject.spec.rate_limits and subject.spec.rate_limiting.when_redis_is_away == "allow":
        said = "when_redis_is_away" in subject.spec.rate_limiting.model_fields_set
        path = ("rate_limiting", "when_redis_is_away") if said else ("rate_limits",)
        text = "lets requests through when nobody can count them"
        yield Found(Thing("limiter"), text, subject.at(*path))


def _without_limits(subject: Subject) -> Iterator[Found]:
    if subject.spec.rate_limiting.model_fields_set and not subject.spec.rate_limits:
        yield Found(Thing("limiter"), "has settings and no limit", subject.at("rate_limiting"))


def _at(subject: Subject, index: int, *path: int | str) -> Location:
    return subject.at("rate_limits", index, *path)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL020",
        "limit-nowhere",
        "warning",
        "hygiene",
        0,
        "a limit names no route",
        "It reads like protection and is none: `routes: []` means nowhere.",
        "Name routes, or leave `routes` out to count everywhere.",
        _nowhere,
    ),
    Rule(
        "GL021",
        "refuses-everything",
        "info",
        "hygiene",
        0,
        "a limit of 0 refuses everything",
        "Right for callers who are suspended, an outage for everybody else.",
        "Say whom it is for in `when`, or allow some requests.",
        _refuses_all,
    ),
    Rule(
        "GL022",
        "limit-never-first",
        "warning",
        "hygiene",
        0,
        "a limit can never refuse before another one does",
        "Both count the same requests, and the other one is always used up first: raising this one changes nothing.",
        "Remove it, or make it the tighter one.",
        _never_first,
    ),
    Rule(
        "GL023",
        "limit-for-nobody",
        "warning",
        "hygiene",
        0,
        "a limit is for callers that cannot be there",
        "It reads like protection and never counts anything.",
        "Name roles that the rules of its routes name; map `plan` in an issuer's `claims`.",
        _for_nobody,
    ),
    Rule(
        "GL024",
        "shared-counter",
        "warning",
        "reliability",
        0,
        "anonymous callers of a public route share one counter",
        "One of them can use it up, and all the others get 429.",
        "Add a limit that counts `per: [client_address]`.",
        _shared_counter,
    ),
    Rule(
        "GL025",
        "counts-nothing-apart",
        "warning",
        "hygiene",
        0,
        "a limit counts by what no caller has",
        "All callers share its counter, as if it were not there.",
        "Count by something that callers have, or configure where it comes from.",
        _constant,
    ),
    Rule(
        "GL026",
        "limits-fail-open",
        "info",
        "security",
        2,
        "limits fail open",
        "Without Redis each service process counts for itself; without ratelimit_svc Envoy lets some pass by address.",
        "Write `rate_limiting: {when_redis_is_away: deny}` where a limit protects more than it costs to be away.",
        _fails_open,
    ),
    Rule(
        "GL027",
        "limiting-without-limits",
        "info",
        "hygiene",
        0,
        "`rate_limiting` is set without a limit",
        "It has nothing to decide about.",
        "Add `rate_limits`, or take it out.",
        _without_limits,
    ),
    Rule(
        "GL028",
        "limit-by-header-only",
        "warning",
        "security",
        2,
        "a limit counts by a header, and nothing holds who changes it",
        "Clients choose their headers: with another value in each request there is always a fresh counter.",
        "Add a limit that counts `per: [user]` or `per: [client_address]` on the same routes.",
        _evaded,
    ),
    Rule(
        "GL029",
        "limit-not-enforced",
        "info",
        "hygiene",
        0,
        "a limit is counted and not enforced",
        "Good for finding the right number, and easily forgotten.",
        "Take out `enforce: false` when the number is right.",
        _not_enforced,
    ),
)
