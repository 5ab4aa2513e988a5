"""Who was calling and whether they might, rule by rule, in words. The verdicts are ext_authz's own."""

from typing import Any

from ext_authz import condition, engine, paths, rbac, reasons
from ext_authz.condition import Fact
from ext_authz.evaluation import Facts
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
        "shadow": _shadow(decision),
        "rules": [_rule(index, rule, case, decision, route, source) for index, rule in enumerate(rules)],
    }


def caller(identity: Identity | None, source: Source) -> dict[str, Any] | None:
    """A proven identity as it may be shown: what the spec has from the environment stays hidden."""
    if identity is None:
        return None
    places = source.holders(identity)

    def shown(field: str, value: Any) -> Any:
        return HIDDEN if any(source.hides(*place, field) for place in places) else value

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


def _shadow(decision: engine.Decision) -> dict[str, Any] | None:
    """How it would have ended with the rules that are not enforced; None when none of them matched."""
    shadow = decision.ruling.shadow
    return {"allowed": shadow.allow, "rules": [rule + 1 for rule in shadow.rules]} if shadow is not None else None


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
        facts = engine.facts(case, decision.identity)
        verdict = rbac.judge(rule, facts)
        finding, why = verdict.finding.value, _why(rule, verdict, facts, decision.identity, path, source)
    grant, denial = decision.ruling.grant, decision.ruling.denial
    granted_by = grant.rule if grant is not None and denial is None else None
    return {
        "rule": index + 1,
        "place": source.place(*path),
        "effect": rule.effect,
        "enforced": rule.enforce,
        "finding": finding,
        "why": why,
        "decided": index in {granted_by, denial},
    }


def _demand(rule: Rule, path: tuple[Step, ...], source: Source) -> str:
    """What a rule asks for, as the end of a sentence."""
    parts = [f"one of the methods {', '.join(source.texts(*path, 'methods'))}"] if rule.methods is not None else []
    parts += [f"a path like {source.text(*path, 'path_template')}"] if rule.path_template is not None else []
    parts += [_roles(path, source)] if rule.roles is not None else []
    parts += [source.text(*path, "where")] if rule.where is not None else []
    if rule.effect == "deny":
        return f"denies {' and '.join(parts) or 'everybody'}"
    return f"needs {' and '.join(parts) or 'any authenticated caller'}"


def _roles(path: tuple[Step, ...], source: Source) -> str:
    permissions = source.texts(*path, "permissions")
    if permissions:
        return f"a role with {' or '.join(permissions)}"
    return f"one of the roles {', '.join(source.texts(*path, 'roles'))}"


def _why(  # noqa: PLR0911 - one return for each finding
    rule: Rule, verdict: rbac.Verdict, facts: Facts, identity: Identity, path: tuple[Step, ...], source: Source
) -> str:
    """Why a rule matched or did not, as the end of a sentence."""
    who = caller(identity, source) or {}
    match verdict.finding:
        case rbac.Finding.METHOD:
            return f"is for {', '.join(source.texts(*path, 'methods'))}; the request is {facts.method}"
        case rbac.Finding.PATH:
            return f"is for {source.text(*path, 'path_template')}"
        case rbac.Finding.ROLE:
            has = who["roles"] if isinstance(who["roles"], str) else ", ".join(who["roles"]) or "none"
            verb = "is against" if rule.effect == "deny" else "needs"
            return f"{verb} {_roles(path, source)}; the caller has {has}"
        case rbac.Finding.CONDITION:
            return f"its condition is false: {_values(rule, facts, who)}"
        case rbac.Finding.UNKNOWN:
            return f"its condition cannot be told: {_values(rule, facts, who)}"
        case rbac.Finding.DENIED:
            return "denies access" + (f": {_values(rule, facts, who)}" if rule.where is not None else "")
    return "grants access" + (
        f" to the role {verdict.role}" if verdict.role and not isinstance(who["roles"], str) else ""
    )


def _values(rule: Rule, facts: Facts, who: dict[str, Any]) -> str:
    """What a condition looked at, as it may be shown."""
    if rule.path_template is not None:
        raw = paths.match(rule.path_template, paths.plainest(facts.path), any_case=True)
        facts = facts.with_variables(paths.decode(raw or {}))
    seen = dict.fromkeys(condition.facts(rule.where))
    found = [f"{_written(fact)} is {_value(fact, facts, who)}" for fact in seen]
    asks = next(condition.roles(rule.where), None) is not None
    roles = who["roles"] if isinstance(who["roles"], str) else ", ".join(who["roles"]) or "none"
    return ", ".join([*found, *([f"the caller's roles are {roles}"] if asks else [])])


def _written(fact: Fact) -> str:
    if fact.source in {"header", "query"}:
        return f'{fact.source}["{fact.name}"]'
    return f"{'user' if fact.source == 'attribute' else fact.source}.{fact.name}"


def _value(fact: Fact, facts: Facts, who: dict[str, Any]) -> str:
    found = facts.value(fact.source, fact.name)
    if not isinstance(found, str):
        return "missing" if found is None else "unclear"
    if fact.source == "user":
        return str(who["user" if fact.name == "id" else "plan"])
    if fact.source == "attribute" and isinstance(who["attributes"], str):
        return who["attributes"]
    return found
