"""What the upstream got, beside what the client sent."""

from typing import Any

from ext_authz import policy as authz
from gatectl.rehearsal.access import caller
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source, Step
from gatectl.render.templates import seconds
from gatectl.rollout.candidate import Candidate
from gatectl.snapshot import Route

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers whose value is never shown, whoever sent them; the API keys' header beside them."""
_TIMEOUT = "x-envoy-expected-rq-timeout-ms"
_OF_THE_KEY = {authz.HEADER_USER: "user", authz.HEADER_ROLES: "roles", authz.HEADER_PLAN: "plan"}


def upstream(course: Course, route: str | None, candidate: Candidate, source: Source) -> dict[str, Any] | None:
    """Where the route leads, and what arrived there: ``path`` and ``headers`` are None when nothing did."""
    if route is None:
        return None
    path = source.route(route)
    written = candidate.spec.routes[int(path[1])]
    compiled = next(one for host in candidate.snapshot.virtual_hosts for one in host.routes if one.id == route)
    forwarded = course.forwarded
    to = ("upstreams", written.upstream)
    timeout = (*path, "timeout") if written.timeout is not None else (*to, "timeout")
    told: dict[str, Any] = {
        "name": source.text(*path, "upstream"),
        "place": source.place(*to),
        "reached": forwarded is not None,
        "timeout": source.text(*timeout, default=seconds(compiled.timeout_ms)),
        "retries": _retries(compiled, to, source),
        "method": forwarded.method if forwarded else None,
        "path": None,
        "headers": None,
        "removed": None,
    }
    if forwarded is not None:
        hidden = source.hides(*path, "rewrite_prefix")
        told["path"] = HIDDEN if hidden else forwarded.path
        sent = _sent(course)
        secret = _SECRET.union(candidate.snapshot.credential_headers)

        def shown(name: str, value: str) -> str:
            if name == _TIMEOUT and source.hides(*timeout):
                return HIDDEN
            if course.credential is not None and name == course.credential.header != "cookie":
                return course.credential.shown
            return "(as sent)" if name in secret else _shown(name, value, course, route, source)

        told["headers"] = [
            {"name": name, "value": shown(name, value), "change": _change(name, value, sent)}
            for name, value in forwarded.headers
        ]
        got = {name for name, _ in forwarded.headers}
        told["removed"] = sorted(sent.keys() - got - {"connection"})
    return told


def _retries(route: Route, to: tuple[Step, ...], source: Source) -> dict[str, Any]:
    attempts = source.text(*to, "retries", "attempts", default=str(route.retry.attempts))
    on = source.texts(*to, "retries", "on") or route.retry.on.split(",")
    return {"attempts": attempts, "on": on}


def _sent(course: Course) -> dict[str, str]:
    """What the client sent. A repeated header is merged, as Envoy does."""
    request = course.credential.on(course.request) if course.credential is not None else course.request
    pairs = [("host", request.host), *request.headers]
    merged: dict[str, list[str]] = {}
    for name, value in pairs:
        merged.setdefault(name.lower(), []).append(value)
    return {name: ",".join(values) for name, values in merged.items()}


def _change(name: str, value: str, sent: dict[str, str]) -> str:
    if name not in sent:
        return "added"
    return "kept" if sent[name] == value else "changed"


def _shown(name: str, value: str, course: Course, route: str, source: Source) -> str:
    if name == authz.HEADER_IDENTITY:
        return "(signed for this request)"
    identity = course.check.decision.identity if course.check is not None else None
    field = _OF_THE_KEY.get(name)
    if field is not None and (caller(identity, source) or {}).get(field) == HIDDEN:
        return HIDDEN
    return source.header(route, "request_headers", name, value)
