"""What of a gateway a run of tests has touched: routes, access rules, limits."""

from collections import Counter
from typing import Any

from ext_authz import policy as authz
from ext_authz.rbac import Ruling
from gatectl.rehearsal.access import rule_path
from gatectl.rehearsal.answer import allowed, route_of
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import Source
from gatectl.rollout.candidate import Candidate


class Coverage:
    """Counts tests. A route is covered when a request met it, a limit when it counted, a rule when it granted or
    denied access, or would have.
    """

    def __init__(self, candidate: Candidate) -> None:
        self._spec, self._source = candidate.spec, Source(candidate)
        self._policy = authz.load(candidate.bundle.files["authz.json"])
        self._hits, self._allowed, self._counted, self._refused = (Counter[str]() for _ in range(4))
        self._decided = Counter[tuple[str, int]]()

    def add(self, course: Course) -> None:
        """Count the course of one test."""
        route = route_of(course)
        if route is not None:
            self._hits[route] += 1
            self._allowed[route] += allowed(course)
            ruling = course.check.decision.ruling if course.check is not None else Ruling()
            for rule in _effective(ruling):
                self._decided[route, rule] += 1
        for status in course.limits.statuses if course.limits is not None else ():
            if status is not None:
                self._counted[status.name] += 1
                self._refused[status.name] += status.over

    def data(self) -> dict[str, Any]:
        """Everything there is to cover, and how many tests did."""
        source = self._source
        routes = [
            {
                "name": source.text(*source.route(route.name), "name"),
                "place": source.place(*source.route(route.name), "name"),
                "hits": self._hits[route.name],
                "allowed": self._allowed[route.name],
            }
            for route in self._spec.routes
        ]
        rules = [
            {
                "route": source.text(*source.route(route.name), "name"),
                "rule": index + 1,
                "place": source.place(*rule_path(route.name, index, source)),
                "decided": self._decided[route.name, index],
            }
            for route in self._spec.routes
            for index in range(len(self._policy.routes[route.name].rules))
        ]
        limits = [
            {
                "name": source.text(*source.limit(limit.name), "name"),
                "place": source.place(*source.limit(limit.name), "name"),
                "counted": self._counted[limit.name],
                "refused": self._refused[limit.name],
            }
            for limit in self._spec.rate_limits
        ]
        touched = [one["hits"] for one in routes] + [one["decided"] for one in rules]
        touched += [one["counted"] for one in limits]
        percent = 100 * sum(map(bool, touched)) // len(touched)
        return {"percent": percent, "routes": routes, "rules": rules, "limits": limits}


def _effective(ruling: Ruling) -> set[int]:
    """The rules that made the outcome what it is, or would have."""
    own = ruling.denial if ruling.denial is not None else ruling.grant.rule if ruling.grant is not None else None
    return {*(ruling.shadow.rules if ruling.shadow is not None else ()), *({own} if own is not None else ())}
