"""Was it as expected? Values are compared as they are, and shown as they may be shown."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gatectl.diagnostics import Location
from gatectl.rehearsal.answer import allowed, reason_of, route_of
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.suite import Expectation
from gatectl.rollout.candidate import Candidate
from gatectl.spec.tree import Node

NOTHING = "nothing"
Path = tuple[int | str, ...]
Failure = tuple[Location, dict[str, str]]
"""Where the expectation stands, and what is told of it."""


class Found(NamedTuple):
    """What a field of an expectation is compared with, and what may be shown of it."""

    value: Any
    shown: str


def failures(
    expectation: Expectation, course: Course, told: Mapping[str, Any], candidate: Candidate, node: Node
) -> list[dict[str, str]]:
    """Each field that is not as expected, in reading order.

    ``told`` is the course as data, ``node`` where the expectation stands.
    """
    found = _compare(expectation, course, told, candidate, node)
    return [failure for _, failure in sorted(found, key=lambda one: one[0])]


def _compare(
    expectation: Expectation, course: Course, told: Mapping[str, Any], candidate: Candidate, node: Node
) -> Iterator[Failure]:
    found = _found(course, told, candidate)
    for field, got in found.items():
        wanted = getattr(expectation, field)
        if wanted is not None and wanted != got.value:
            yield _failure((field,), wanted, got.shown, node)
    counted = {limit["name"] for limit in told["limits"] or () if limit["applies"]}
    for position, name in enumerate(expectation.limits or ()):
        if name not in _counting(course):
            yield _failure(("limits", position), name, ", ".join(sorted(counted)) or NOTHING, node)
    sent = _texts(course.forwarded.headers if course.forwarded is not None else ())
    yield from _headers("sent", expectation.sent, sent, told["upstream"], node)
    yield from _headers("headers", expectation.headers, _texts(course.answer.headers), told["answer"], node)


def _found(course: Course, told: Mapping[str, Any], candidate: Candidate) -> dict[str, Found]:
    route, upstream = route_of(course), told["upstream"] or {}
    target = next((one.upstream for one in candidate.spec.routes if one.name == route), None)
    reached = course.forwarded is not None
    limiting = course.limits.limiting if course.limits is not None and not course.limits.allowed else None
    refused = next((limit["name"] for limit in told["limits"] or () if limit["refused"]), NOTHING)
    decision = "allow" if allowed(course) else "deny"
    ruled = course.check.decision.ruling.shadow if course.check is not None else None
    shadow = None if ruled is None else "allow" if ruled.allow else "deny"
    return {
        "decision": Found(decision, f"{decision} ({course.answer.status} {reason_of(course)})"),
        "status": Found(course.answer.status, f"{course.answer.status} ({reason_of(course)})"),
        "reason": Found(reason_of(course), reason_of(course)),
        "shadow": Found(shadow, shadow or NOTHING),
        "route": Found(route, told["route"]["name"] if told["route"] else NOTHING),
        "refused_by": Found(limiting.name if limiting is not None else None, refused),
        "upstream": Found(target if reached else None, upstream["name"] if reached else NOTHING),
        "path": Found(course.forwarded.path if course.forwarded else None, upstream.get("path") or NOTHING),
    }


def _counting(course: Course) -> set[str]:
    statuses = course.limits.statuses if course.limits is not None else ()
    return {status.name for status in statuses if status is not None}


def _texts(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Header values by name; repeated ones are merged by commas (RFC 9110 section 5.3)."""
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in merged.items()}


def _headers(
    field: str,
    expected: Mapping[str, str | None],
    got: Mapping[str, str],
    told: Mapping[str, Any] | None,
    node: Node,
) -> Iterator[Failure]:
    shown = {header["name"]: header["value"] for header in (told or {}).get("headers") or ()}
    for name, wanted in expected.items():
        if got.get(name.lower()) != wanted:
            yield _failure((field, name), wanted, shown.get(name.lower(), NOTHING), node)


def _failure(path: Path, wanted: Any, got: str, node: Node) -> Failure:
    """In short form (``expect: 403``) the expectation itself is the place."""
    at = node.find(path)
    shown = NOTHING if wanted is None else at.shown if not isinstance(at.value, (dict, list)) else str(wanted)
    return at.at, {"field": ".".join(map(str, path)), "expected": shown, "got": got, "place": str(at.at)}
