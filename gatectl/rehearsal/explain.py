"""`gatectl explain`: one request, told part by part. Stable field names: programs read this."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ext_authz import engine, reasons
from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.access import access
from gatectl.rehearsal.answer import allowed, answer, route_of
from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.counted import counted
from gatectl.rehearsal.exceptions import AsRead
from gatectl.rehearsal.forwarded import upstream
from gatectl.rehearsal.rehearsal import NO_OVERRIDES, Course, Rehearsal, until_stopped
from gatectl.rehearsal.request import Request
from gatectl.rehearsal.source import Source
from gatectl.rollout.candidate import Candidate, read
from gatectl.runtime.overrides import overrides

_OFFLINE = {
    reasons.KEY_STORE_UNAVAILABLE: "this key is not one of the spec's, so it would be looked up in Redis:"
    " say who it stands for, with --user and --role",
    reasons.ISSUER_KEYS_UNAVAILABLE: "the public keys of this token's issuer are not on this machine: give its claims"
    " with --jwt instead",
}


def explain(
    files: Sequence[str], request: Request, caller: Caller, state_dir: Path, redis_url: str | None = None
) -> dict[str, Any]:
    """Rehearse one request and tell its course. Limits hold to the overrides in ``redis_url``, without it to none.

    Raises SpecError, and GatectlError when it cannot be rehearsed.
    """
    candidate = read(files)
    known = AsRead(overrides(redis_url, candidate.spec.name)) if redis_url is not None else NO_OVERRIDES

    async def rehearse() -> Course:
        async with Rehearsal.of(candidate, [caller], state_dir, known) as rehearsal:
            return await rehearsal.ask(request, rehearsal.credentials[0])

    course = until_stopped(rehearse())
    unknown = _OFFLINE.get(course.check.decision.reason) if course.check is not None else None
    if unknown is not None:
        raise GatectlError(f"a rehearsal asks nobody, and {unknown}", 64)
    return tell(course, candidate)


def tell(course: Course, candidate: Candidate) -> dict[str, Any]:
    """The course of a request as data."""
    source = Source(candidate)
    route = route_of(course)
    credential = course.credential
    return {
        "gateway": source.text("name"),
        "revision": candidate.bundle.revision,
        "request": {
            "method": course.request.method,
            "path": course.request.path,
            "host": course.request.host,
            "address": course.log["client"] or course.request.address,
        },
        "credential": None
        if credential is None or not credential.header
        else {"header": credential.header, "value": credential.shown, "filled_in": list(credential.filled_in)},
        "certificate": credential.certificate or None if credential is not None else None,
        "decision": "allow" if allowed(course) else "deny",
        "route": _route(course, route, source),
        "access": access(course, route, source),
        "limits": counted(course, source),
        "overrides": "not-read" if course.overrides is NO_OVERRIDES else "held-to",
        "upstream": upstream(course, route, candidate, source),
        "answer": answer(course, route, source),
    }


def _route(course: Course, route: str | None, source: Source) -> dict[str, Any] | None:
    if route is None:
        return None
    path = (*source.route(route), "match")
    matched = {
        field: source.text(*path, field)
        for field in ("path", "path_prefix", "path_template")
        if source.text(*path, field)
    }
    matched |= {field: ", ".join(source.texts(*path, field)) for field in ("hosts", "methods", "headers")}
    case = course.check.case if course.check is not None else None
    return {
        "name": source.text(*source.route(route), "name"),
        "place": source.place(*source.route(route), "name"),
        "matched": {field: text for field, text in matched.items() if text},
        "variables": dict(case.variables) if isinstance(case, engine.Case) else {},
    }
