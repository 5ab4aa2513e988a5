"""What the client gets, and in whose words."""

import json
from typing import Any

from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source
from gatectl.render.problems import PROBLEMS

PROBLEM = "urn:gatectl:error:"
PREFLIGHT = "preflight"
RATE_LIMITED = "rate-limited"
_NOISE = frozenset(
    {"connection", "content-length", "content-type", "date", "server", "transfer-encoding", "x-request-id"}
)
_NOT_HTTP = "Envoy refuses it: this is not HTTP as it is accepted"
_WORDS = {
    "direct_response": "no route matches this request",
    "route_not_found": "no route can take this kind of request",
    "path_normalization_failed": "Envoy refuses the path: it cannot be made canonical, or it escapes a slash",
    "absolute_path_rejected": "Envoy refuses the path: it does not begin with a slash",
    "request_payload_too_large": "the body is larger than listener.max_request_body",
    "ext_authz_denied": "ext_authz refuses the request",
    "ext_authz_error": "ext_authz could not be asked",
    "request_rate_limited": "a rate limit refuses the request",
    "rate_limiter_error": "ratelimit_svc could not be asked",
    "low_version": "Envoy refuses HTTP/1.0",
    "missing_host_header": "Envoy refuses a request without a Host header",
    "via_upstream": "the upstream answers",
    "http1.codec_error": f"{_NOT_HTTP} (an unknown method, a malformed header)",
    "http1.headers_too_large": "the headers are larger than listener.max_request_headers",
    "http1.invalid_url": "Envoy refuses the path: it does not begin with a slash",
    "http1.too_many_headers": "there are more than 100 headers",
    "http1.unexpected_underscore": "Envoy refuses it: the name of a header has an underscore",
}
"""Envoy's response code details (``%RESPONSE_CODE_DETAILS%``) in ours."""


def route_of(course: Course) -> str | None:
    """The route of the spec that Envoy chose.

    The catch-all at the end of every virtual host is none of them, and the only one that leads to no upstream.
    """
    name: str | None = course.log["route"]
    return name if name and course.log["upstream"] is not None else None


def reason_of(course: Course) -> str:
    """Why it ended as it did, in one word: ext_authz's reason, or what the problem's type ends with."""
    if course.check is not None and not course.check.decision.allow:
        return course.check.decision.reason.code
    if course.answer.status >= 400:
        return str(_problem(course).get("type") or _type_of(course)).removeprefix(PROBLEM)
    return course.check.decision.reason.code if course.check is not None else PREFLIGHT


def allowed(course: Course) -> bool:
    """Whether it got through to the upstream, or was answered for it (a preflight of CORS)."""
    return course.forwarded is not None or course.answer.status < 400


def answer(course: Course, route: str | None, source: Source) -> dict[str, Any]:
    """Status, problem and headers of the answer, who gave it, and why."""
    problem, said = _problem(course), str(course.log["reason"])
    said, _, _ = said.partition("{")  # some have particulars behind
    limited = course.limits is not None and not course.limits.allowed
    words = _WORDS.get(said) or f"{_NOT_HTTP if said.startswith('http1.') else 'Envoy answers'} ({said})"
    if course.forwarded is None and course.answer.status < 400:
        words = "Envoy answers the preflight (CORS) itself"
    return {
        "status": course.answer.status,
        "by": "upstream" if course.forwarded is not None else "gateway",
        "why": words,
        "reason": reason_of(course),
        "details": said,
        "problem": problem.get("type"),
        "detail": HIDDEN if limited and _limits_hidden(course, source) else problem.get("detail"),
        "headers": [
            {"name": name, "value": _shown(name, value, course, route, source)}
            for name, value in course.answer.headers
            if name not in _NOISE
        ],
    }


def _problem(course: Course) -> dict[str, Any]:
    """The problem (RFC 9457) in the answer; empty when it is none."""
    if course.answer.header("content-type") != "application/problem+json":
        return {}
    try:
        document = json.loads(course.answer.body)
    except ValueError:  # the answer to HEAD has no body
        return {}
    return document if isinstance(document, dict) else {}


def _type_of(course: Course) -> str:
    """The problem's type when there is no body to read it from: the answer to HEAD has none."""
    if course.limits is not None and not course.limits.allowed:
        return RATE_LIMITED
    return next((one.type for one in PROBLEMS if one.status == course.answer.status), str(course.answer.status))


def _limits_hidden(course: Course, source: Source) -> bool:
    names = [dict(descriptor.entries)["limit"] for descriptor in course.descriptors]
    return any(source.hides(*source.limit(name)) for name in names)


def _shown(name: str, value: str, course: Course, route: str | None, source: Source) -> str:
    if name == "www-authenticate" and source.hides("name"):
        return HIDDEN
    if name.startswith(("ratelimit", "x-ratelimit-", "retry-after")) and _limits_hidden(course, source):
        return HIDDEN
    if name.startswith("access-control-") and route is not None:
        own = (*source.route(route), "cors")
        return HIDDEN if source.hides(*own) or source.hides("cors") else value
    return source.header(route, "response_headers", name, value)
