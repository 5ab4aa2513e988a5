"""Which limits counted a request, by what, and what is left of them. The numbers are the limiter's own."""

from typing import Any

from gatectl.rehearsal.access import THROW_AWAY, caller
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source
from ratelimit_svc.engine import Status, allowance
from ratelimit_svc.policy import ABSENT

_OF_THE_KEY = {"user": "user", "role": "roles", "plan": "plan"}
"""Dimensions whose value a static key's field may have brought."""


def counted(course: Course, source: Source) -> list[dict[str, Any]] | None:
    """Each limit of the route as it stood after the request; None when the limiter was not asked or could not tell."""
    if course.limits is None:
        return None
    return [
        _limit(dict(descriptor.entries), status, course, source)
        for descriptor, status in zip(course.descriptors, course.limits.statuses, strict=True)
    ]


def _limit(entries: dict[str, str], status: Status | None, course: Course, source: Source) -> dict[str, Any]:
    name = entries.pop("limit")
    entries.pop("revision", None)
    path = source.limit(name)
    written = source.text(*path, "limit")
    hidden = source.hides(*path, "limit")
    values = {dimension: _value(dimension, value, course, source) for dimension, value in entries.items()}
    told = {
        "name": source.text(*path, "name"),
        "place": source.place(*path, "name"),
        "limit": written,
        "counted_by": values,
        "applies": status is not None,
        "refused": status is not None and status.over,
        "remaining": None,
        "reset_ms": None,
        "why": _why_not(values) if status is None else "",
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


def _why_not(values: dict[str, str]) -> str:
    absent = [dimension for dimension, value in values.items() if value == ABSENT]
    return f"the caller has no {absent[0]}" if absent else "is for other callers"
