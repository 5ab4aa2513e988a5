"""Which limits counted a request, by what, and what is left of them. The numbers are the limiter's own."""

from collections.abc import Sequence
from typing import Any

from gatectl.compiler.limits import compiled
from gatectl.rehearsal.access import THROW_AWAY, caller
from gatectl.rehearsal.answer import route_of
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source, Step
from gatectl.spec.holding import replaced_by
from gatectl.spec.model import RateLimit
from gatectl.spec.model.allowance import allowance as as_written
from gatectl.spec.model.allowance import write
from ratelimit_svc import policy
from ratelimit_svc.engine import Status, allowance
from ratelimit_svc.policy import ABSENT
from ratelimit_svc.rules import Descriptor, among

_OF_THE_KEY = {"user": "user", "role": "roles", "plan": "plan"}
"""Dimensions whose value a static key's field may have brought."""


def counted(course: Course, source: Source) -> list[dict[str, Any]] | None:
    """Each limit of the route as it stood after the request, then those that do not hold on it; None when the limiter
    was not asked or could not tell.
    """
    if course.limits is None:
        return None
    asked = [
        _limit(descriptor, status, course, source)
        for descriptor, status in zip(course.descriptors, course.limits.statuses, strict=True)
    ]
    names = {dict(descriptor.entries)[policy.LIMIT_KEY] for descriptor in course.descriptors}
    return [*asked, *(_elsewhere(limit, course, source) for limit in source.rate_limits if limit.name not in names)]


def _elsewhere(limit: RateLimit, course: Course, source: Source) -> dict[str, Any]:
    """A limit that Envoy did not ask about: it is for other routes, or another one stands in for it."""
    route = route_of(course)
    instead = replaced_by(source.rate_limits, limit.name, route) if route is not None else None
    path = source.limit(limit.name)
    shown = source.text(*source.limit(instead), "name") if instead is not None else ""
    return {
        **_told(path, limit, source, "limit"),
        "enforced": limit.enforce,
        "counted_by": {},
        "cost": 0,
        "applies": False,
        "over": False,
        "refused": False,
        "remaining": None,
        "reset_ms": None,
        "why": f'here "{shown}" holds instead of it' if shown else "is for other routes",
    }


def _told(path: tuple[Step, ...], limit: RateLimit, source: Source, *where: Step) -> dict[str, Any]:
    adaptive = limit.adaptive if not source.hides(*path, "adaptive") else None
    return {
        "name": source.text(*path, "name"),
        "place": source.place(*path, "name"),
        "limit": " and ".join(source.texts(*path, *where)),
        "from": "plan" if where[0] == "plans" else "limit",
        "min_percent": adaptive.min_percent if adaptive is not None else None,
    }


def _limit(descriptor: Descriptor, status: Status | None, course: Course, source: Source) -> dict[str, Any]:
    sent = dict(descriptor.entries)
    path = source.limit(sent[policy.LIMIT_KEY])
    limit = next(one for one in source.rate_limits if one.name == sent[policy.LIMIT_KEY])
    rule = compiled(limit)
    entries = {dimension: sent.get(dimension, ABSENT) for dimension in rule.dimensions}
    where = ("plans", entries["plan"]) if entries.get("plan") in limit.plans else ("limit",)
    own = course.overrides.rates(limit.name, rule, entries["user"]) if "user" in limit.per else None
    hidden = own is None and source.hides(*path, *where)
    values = {
        dimension: _value(dimension, value, course, source)
        for dimension, value in entries.items()
        if dimension in limit.per
    }
    told = {
        **_told(path, limit, source, *where),
        **({"limit": _written(rule, own), "from": "override"} if own is not None else {}),
        "enforced": limit.enforce,
        "counted_by": values,
        "cost": descriptor.hits,
        "applies": status is not None,
        "over": status is not None and status.over,
        "refused": status is not None and status.refuses,
        "remaining": None,
        "reset_ms": None,
        "why": _why_not(limit, entries, "override" if own is not None else where[0]) if status is None else "",
    }
    if status is not None and not hidden:
        tightest = status.tightest
        told["remaining"], told["reset_ms"] = tightest.remaining, tightest.reset_ms
        told["why"] = allowance(tightest.terms)
    return told


def _value(dimension: str, value: str, course: Course, source: Source) -> str:
    if value == THROW_AWAY and dimension == "api_key":
        return "(throw-away key)"
    identity = course.check.decision.identity if course.check is not None else None
    field = _OF_THE_KEY.get(dimension)
    if field is not None and (caller(identity, source) or {}).get(field) == HIDDEN:
        return HIDDEN
    return value


def _written(rule: policy.Limit, rates: Sequence[policy.Rate]) -> str:
    found = write(tuple(as_written(rate, rule.algorithm) for rate in rates))
    return found if isinstance(found, str) else " and ".join(found)


def _why_not(limit: RateLimit, values: dict[str, str], where: Step) -> str:
    rule = compiled(limit)
    spared = next((each for each, listed in rule.exempt.items() if among(each, values.get(each, ABSENT), listed)), None)
    missed = [each for each, listed in rule.when.items() if not among(each, values.get(each, ABSENT), listed)]
    if missed:
        absent = [each for each in missed if values.get(each, ABSENT) == ABSENT]
        return _without(absent[0]) if absent else f"is for other callers, by {missed[0]}"
    if spared is not None:
        return f"the caller is exempt by {spared}"
    absent = [each for each in limit.per if values.get(each, ABSENT) == ABSENT]
    if absent:
        return _without(absent[0])
    unlimited = {"plans": "is unlimited for the plan of the caller", "override": "is unlimited by an override"}
    return unlimited.get(str(where), "is unlimited for the caller")


def _without(dimension: str) -> str:
    """A caller may have roles, and none that counts: it is the one that let him in."""
    return "no role let the caller in" if dimension == "role" else f"the caller has no {dimension}"
