"""Who was calling and whether they might, rule by rule, in words. The verdicts are ext_authz's own."""

from typing import Any

from ext_authz import engine, rbac, reasons
from ext_authz.identity import Identity
from ext_authz.policy import Rule
from gatectl.rehearsal.rehearsal import Course
from gatectl.rehearsal.source import HIDDEN, Source, Step

NOT_TRIED = "not-tried"
"""The finding of a rule that nobody got to."""
THROW_AWAY = "throw-away-key"


def access(course: Course, route: str | None, source: Source) -> dict[str, Any] | None:
    """What ext_authz said about a request and why; None when it was not asked."""
    check = course.check
    if check is None or route is None:
        return None
    decision, case = check.decision, check.case
    rules = case.route.rules if isinstance(case, engine.Case) else ()
    hidden = source.hides("name")
    return {
        "allowed": decision.allow,
        "reason": decision.reason.code,
        "detail": decision.reason.detail,
        "challenge": HIDDEN if decision.challenge and hidden else decision.challenge,
        "public": isinstance(case, engine.Case) and case.route.public,
        "caller": caller(decision.identity, source),
        "rules": [_rule(index, rule, case, decision, route, source) for index, rule in enumerate(rules)],
    }


def caller(identity: Identity | None, source: Source) -> dict[str, Any] | None:
    """A proven identity as it may be shown: what the spec has from the environment stays hidden."""
    if identity is None:
        return None
    key = source.key(identity.key_id)

    def shown(field: str, value: Any) -> Any:
        return HIDDEN if key is not None and source.hides(*key, field) else value

    return {
        "user": shown("user", identity.user),
        "roles": shown("roles", list(identity.roles)),
        "plan": shown("plan", identity.plan),
        "attributes": shown("attributes", dict(identity.attributes)),
        "method": identity.method,
    }


def rule_path(route: str, index: int, source: Source) -> tuple[Step, ...]:
    """Where a rule of the policy stands in the spec: in the list, or as the only one."""
    path = (*source.route(route), "access")
    return (*path, index) if source.texts(*path, index) else path


def _rule(
    index: int,
    rule: Rule,
    case: engine.Case | engine.Decision,
    decision: engine.Decision,
    route: str,
    source: Source,
) -> dict[str, Any]:
    path = rule_path(route, index, source)
    finding, why = NOT_TRIED, _demand(rule, path, source)
    judged = decision.reason in (reasons.GRANTED, reasons.ACCESS_DENIED) and isinstance(case, engine.Case)
    if judged and decision.identity is not None:
        assert isinstance(case, engine.Case)
        verdict = rbac.judge(rule, case.request.method, decision.identity, case.variables)
        finding, why = verdict.finding.value, _why(verdict, case, decision.identity, path, source)
    granted_by = decision.grant.rule if decision.grant is not None else None
    return {
        "rule": index + 1,
        "place": source.place(*path),
        "finding": finding,
        "why": why,
        "decided": granted_by == index,
    }


def _demand(rule: Rule, path: tuple[Step, ...], source: Source) -> str:
    """What a rule asks for, as the end of a sentence."""
    parts = [f"one of the methods {', '.join(source.texts(*path, 'methods'))}"] if rule.methods is not None else []
    if rule.roles is not None:
        parts.append(f"one of the roles {', '.join(source.texts(*path, 'roles'))}")
    for condition in rule.where:
        wanted = source.text(*path, "where", condition.variable)
        parts.append(f"{condition.variable} equal to {wanted}")
    return f"needs {' and '.join(parts)}" if parts else "needs any authenticated caller"


def _why(verdict: rbac.Verdict, case: engine.Case, identity: Identity, path: tuple[Step, ...], source: Source) -> str:
    """Why a rule granted access or did not, as the end of a sentence."""
    who = caller(identity, source) or {}
    if verdict.finding is rbac.Finding.METHOD:
        return f"is for {', '.join(source.texts(*path, 'methods'))}; the request is {case.request.method}"
    if verdict.finding is rbac.Finding.ROLE:
        has = who["roles"] if isinstance(who["roles"], str) else ", ".join(who["roles"]) or "none"
        return f"needs one of the roles {', '.join(source.texts(*path, 'roles'))}; the caller has {has}"
    if verdict.condition is not None:
        name = source.text(*path, "where", verdict.condition.variable)
        value = _property(who, verdict.condition.attribute)
        given = case.variables.get(verdict.condition.variable)
        return f"{verdict.condition.variable} is {given}, " + (f"{name} is {value}" if value else f"there is no {name}")
    return "grants access" + (
        f" to the role {verdict.role}" if verdict.role and not isinstance(who["roles"], str) else ""
    )


def _property(who: dict[str, Any], attribute: str) -> str | None:
    """What a condition compares with (see ``ext_authz.policy.Condition``), as it may be shown."""
    if attribute in {"id", "plan"}:
        found: str | None = who["user" if attribute == "id" else "plan"]
        return found
    attributes = who["attributes"]
    return attributes if isinstance(attributes, str) else attributes.get(attribute.removeprefix("attributes."))
