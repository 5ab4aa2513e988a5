"""Which limits counted a request, by what, and what is left of them. The numbers are the limiter's own."""

from typing import Any

from gatectl.compiler.limits import compiled
from gatectl.rehearsal.access import THROW_AWAY, caller
from gatectl.rehearsal.answer import route_of
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source, Step
from gatectl.spec.holding import replaced_by
from gatectl.spec.model import RateLimit
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
        **_told(path, source, "limit"),
        "enforced": limit.enforce,
        "counted_by": {},
        "cost": 0,
        "applies": False,
        "refused": False,
        "remaining": None,
        "reset_ms": None,
        "why": f'here "{shown}" holds instead of it' if shown else "is for other routes",
    }


def _told(path: tuple[Step, ...], source: Source, *where: Step) -> dict[str, Any]:
    return {
        "name": source.text(*path, "name"),
        "place": source.place(*path, "name"),
        "limit": " and ".join(source.texts(*path, *where)),
    }


def _limit(descriptor: Descriptor, status: Status | None, course: Course, source: Source) -> dict[str, Any]:
    entries = dict(descriptor.entries)
    name = entries.pop(policy.LIMIT_KEY)
    for key in (policy.REVISION_KEY, policy.LEASE_KEY):
        entries.pop(key, None)
    path = source.limit(name)
    limit = next(one for one in source.rate_limits if one.name == name)
    where = ("plans", entries["plan"]) if entries.get("plan") in limit.plans else ("limit",)
    hidden = source.hides(*path, *where)
    values = {dimension: _value(dimension, value, course, source) for dimension, value in entries.items()}
    told = {
        **_told(path, source, *where),
        "enforced": limit.enforce,
        "counted_by": values,
        "cost": descriptor.hits,
        "applies": status is not None,
        "refused": status is not None and status.refuses,
        "remaining": None,
        "reset_ms": None,
        "why": _why_not(limit, entries, where) if status is None else "",
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


def _why_not(limit: RateLimit, values: dict[str, str], where: tuple[Step, ...]) -> str:
    rule = compiled(limit)
    spared = next((each for each, listed in rule.exempt.items() if among(each, values.get(each, ABSENT), listed)), None)
    if any(not among(each, values.get(each, ABSENT), listed) for each, listed in rule.when.items()):
        absent = [each for each in rule.when if values.get(each, ABSENT) == ABSENT]
        return f"the caller has no {absent[0]}" if absent else "is for other callers"
    if spared is not None:
        return f"the caller is exempt by {spared}"
    absent = [each for each in limit.per if values.get(each, ABSENT) == ABSENT]
    if absent:
        return f"the caller has no {absent[0]}"
    return "is unlimited for the plan of the caller" if where[0] == "plans" else "is unlimited for the caller"
