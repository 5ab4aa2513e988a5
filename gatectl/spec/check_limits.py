"""Rate limits that contradict themselves or each other, or name what is not there."""

import ipaddress
from collections.abc import Iterator, Mapping

from ext_authz.policy import is_name
from gatectl.diagnostics import Diagnostic
from gatectl.spec.draft import Draft, Path
from gatectl.spec.holding import holding
from gatectl.spec.model import RateLimit
from gatectl.spec.model.allowance import AT_ONCE, Allowance, rate
from gatectl.spec.names import known
from ratelimit_svc.policy import ABSENT, MAX_DESCRIPTORS, fault_of

LONGEST_ADAPTIVE_MS = 10_000
"""Window of an adaptive limit: it is judged every second, by what the number in force has let in."""
_CREDENTIALS = {"authorization", "cookie", "proxy-authorization"}


def title(draft: Draft, index: int) -> str:
    """A limit as messages call it."""
    return f'rate limit "{draft.shown("rate_limits", index, "name")}"'


def references(draft: Draft) -> Iterator[Diagnostic]:
    """Routes and limits that a limit names."""
    routes = {name: draft.shown("routes", index, "name") for index, name in draft.words("name", "routes")}
    limits = {name: draft.shown("rate_limits", index, "name") for index, name in draft.words("name", "rate_limits")}
    for index, limit in draft.limits:
        for field, kind, names in (("routes", "route", routes), ("instead_of", "limit", limits)):
            for position, name in enumerate(getattr(limit, field) or ()):
                node = draft.tree.find(("rate_limits", index, field, position))
                yield from known(node.at, title(draft, index), kind, name, names, node.shown)


def numbers(draft: Draft) -> Iterator[Diagnostic]:
    """Numbers that the algorithm cannot count by."""
    for index, limit in draft.limits:
        for path, allowed in _allowances(limit):
            yield from _rates(draft, index, limit, path, allowed)
        if not limit.limit and not any(limit.plans.values()):
            yield _wrong(draft, index, ("limit",), "has no number: it would never count anything")
        if limit.lease is not None and limit.algorithm != "concurrency":
            yield _wrong(draft, index, ("lease",), "has a lease, and only limits of requests at once do")
        if limit.response_cost is not None:
            if limit.algorithm == "concurrency":
                message = "counts requests at once: a response costs nothing in it"
                yield _wrong(draft, index, ("response_cost",), message)
            if not limit.response_cost.status and limit.response_cost.size is None:
                message = "has a response_cost that says no cost: no request would ever count"
                yield _wrong(draft, index, ("response_cost",), message, "give it status, size or both")
        if limit.adaptive is not None and limit.algorithm in {"quota", "concurrency"}:
            yield _wrong(draft, index, ("adaptive",), f"cannot be adaptive: it is of the kind {limit.algorithm}")


def _allowances(limit: RateLimit) -> Iterator[tuple[Path, tuple[Allowance, ...]]]:
    yield ("limit",), limit.limit
    for plan, allowed in limit.plans.items():
        yield ("plans", plan), allowed


def _rates(
    draft: Draft, index: int, limit: RateLimit, path: Path, allowed: tuple[Allowance, ...]
) -> Iterator[Diagnostic]:
    windows = [one.window_ms for one in allowed]
    if len(set(windows)) != len(windows):
        message = "has two numbers for one window: only the smaller one could ever refuse"
        yield _wrong(draft, index, path, message, "remove one")
    for one in allowed:
        fault, hint = _fault(limit, one)
        if fault is not None:
            yield _wrong(draft, index, path, fault, hint)
        elif limit.adaptive is not None and one.window_ms > LONGEST_ADAPTIVE_MS:
            message = "cannot be adaptive: what it let in long ago cannot be taken back"
            yield _wrong(draft, index, path, message, "count over 10s or less, such as 20/second")


def _fault(limit: RateLimit, one: Allowance) -> tuple[str | None, str | None]:
    """Why an allowance does not go with the limit's algorithm, and what would."""
    if (one.word == AT_ONCE) != (limit.algorithm == "concurrency"):
        return 'counts requests at once by "5 at once", and by nothing else', "write `algorithm: concurrency` beside it"
    if limit.algorithm == "quota" and one.word not in {"day", "week", "month"}:
        return "is a quota, which is per calendar day, week or month", "such as 10000/month"
    if limit.algorithm != "quota" and one.word == "month":
        return "counts by the month, which only a quota does", "write `algorithm: quota` beside it, or 30d"
    fault = fault_of(limit.algorithm, rate(one, limit.algorithm, limit.lease))
    return (f"cannot count so: {fault}" if fault is not None else None), None


def callers(draft: Draft) -> Iterator[Diagnostic]:
    """Callers that nobody can be, things that cannot be counted by."""
    api_keys = draft.at("authentication", "api_keys", "header")
    secret = _CREDENTIALS | ({str(api_keys.value).lower()} if api_keys is not None else {"x-api-key"})
    for index, limit in draft.limits:
        if len(set(limit.per)) != len(limit.per):
            at = draft.tree.find(("rate_limits", index, "per")).at
            yield Diagnostic("GC0104", f"{title(draft, index)} counts by the same thing twice", at)
        chosen: tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...] = (
            ("when", limit.when),
            ("exempt", limit.exempt),
        )
        looked_at: list[tuple[Path, str]] = [(("per", position), one) for position, one in enumerate(limit.per)]
        for path, trait in (*looked_at, *((("when", trait), trait) for trait in limit.when)):
            if trait.removeprefix("header.") in secret and trait.startswith("header."):
                message = "looks at a header that carries credentials, which is taken away before limits count"
                yield _wrong(draft, index, path, message, "count by user or api_key")
        for field, traits in chosen:
            for trait, values in traits.items():
                for position, value in enumerate(values):
                    if (needed := malformed(trait, value)) is not None:
                        node = draft.tree.find(("rate_limits", index, field, trait, position))
                        message = f'{title(draft, index)}: "{node.shown}" is not {needed}'
                        yield Diagnostic("GC0106", message, node.at)


def malformed(trait: str, value: str) -> str | None:
    """What a value of a trait had to be, when it is not; None when it is."""
    if trait == "client_address":
        try:
            ipaddress.ip_network(value)
        except ValueError:
            return "a network, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
    if value == ABSENT:
        return "a value: callers without one have it"
    if trait in {"user", "role", "plan"} and not is_name(value):
        return f"what a {trait} can be called"
    return None


def replacements(draft: Draft) -> Iterator[Diagnostic]:
    """Limits that stand in for others: never so that nothing holds."""
    by_name = {limit.name: limit for _, limit in draft.limits}
    for index, limit in draft.limits:
        if limit.instead_of and limit.routes is None:
            message = "holds on every route: what it stands in for would hold on none"
            yield _wrong(draft, index, ("instead_of",), message, "say in `routes` where")
        if limit.instead_of and (limit.when or not limit.enforce):
            message = "stands in for another limit, and does not hold every caller to it"
            yield _wrong(draft, index, ("instead_of",), message, "leave out `when` and `enforce: false`, or instead_of")
        for position, name in enumerate(limit.instead_of):
            other = by_name.get(name)
            path = ("instead_of", position)
            if other is not None and limit.name in _reached(other, by_name):
                yield _wrong(draft, index, path, "stands in for itself, at once or by way of others")
            elif other is not None and other.routes is not None and not set(limit.routes or ()) & set(other.routes):
                yield _wrong(draft, index, path, "stands in for a limit that holds on none of its routes")


def _reached(limit: RateLimit, by_name: Mapping[str, RateLimit]) -> set[str]:
    """A limit, and all that it stands in for, directly or not."""
    found, fresh = set[str](), {limit.name}
    while fresh:
        found |= fresh
        fresh = {one for name in fresh if name in by_name for one in by_name[name].instead_of} - found
    return found


def crowds(draft: Draft) -> Iterator[Diagnostic]:
    """Routes with more limits than the limiter answers a call about: it would refuse, and Envoy might let pass."""
    limits = [limit for _, limit in draft.limits]
    if len(limits) <= MAX_DESCRIPTORS:
        return
    for index, route in draft.routes:
        if len(holding(limits, route.name)) > MAX_DESCRIPTORS:
            message = f'route "{draft.shown("routes", index, "name")}" has more than {MAX_DESCRIPTORS} rate limits'
            yield Diagnostic(
                "GC0108", message, draft.tree.find(("routes", index)).at, "say in their `routes` where each holds"
            )


def _wrong(draft: Draft, index: int, path: Path, message: str, hint: str | None = None) -> Diagnostic:
    node = draft.tree.find(("rate_limits", index, *path))
    return Diagnostic("GC0108", f"{title(draft, index)} {message}", node.at, hint)


CHECKS = (references, numbers, callers, replacements, crowds)
