"""Role-based access control: what do the rules of a route say about a request, and why? Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from ext_authz import paths
from ext_authz.evaluation import Facts
from ext_authz.policy import Rule


class Finding(StrEnum):
    """How a rule met a request: it matched, or the first thing that did not."""

    GRANTED = "granted"
    DENIED = "denied"
    METHOD = "method"
    PATH = "path"
    ROLE = "role"
    CONDITION = "condition"
    UNKNOWN = "unknown"
    """The condition could not be told: it looks at something that is missing or unclear."""


MATCHED = frozenset({Finding.GRANTED, Finding.DENIED})


class Verdict(NamedTuple):
    """What one rule says. ``role`` is the first of the rule's roles that the caller has, or of the caller's own."""

    finding: Finding
    role: str | None = None


class Grant(NamedTuple):
    """The rule (index in ``Route.rules``) that granted access, and the role it counts under, None without one."""

    rule: int
    role: str | None


class Shadow(NamedTuple):
    """The rules that are not enforced and matched (indices), and whether the request had been allowed with them."""

    rules: tuple[int, ...]
    allow: bool


class Ruling(NamedTuple):
    """What all rules of a route say: access is granted when there is a grant and no denial.

    ``denial`` is the first rule that denies, wherever it stands; ``grant`` the first that grants.
    """

    grant: Grant | None = None
    denial: int | None = None
    shadow: Shadow | None = None

    @property
    def allow(self) -> bool:
        """Whether access is granted."""
        return self.grant is not None and self.denial is None


_DENIED = Verdict(Finding.DENIED)
_OTHER_METHOD, _OTHER_PATH, _OTHER_ROLE = Verdict(Finding.METHOD), Verdict(Finding.PATH), Verdict(Finding.ROLE)


def judge(rule: Rule, facts: Facts) -> Verdict:
    """What one rule says about a request. Methods and paths compare exactly (RFC 9110: they are case-sensitive).

    What a lenient upstream may take for the denied method or path is denied.
    """
    denies = rule.effect == "deny"
    if rule.methods is not None and (facts.method.upper() if denies else facts.method) not in rule.methods:
        return _OTHER_METHOD
    if rule.path_template is not None:
        path = paths.plainest(facts.path) if denies else facts.path
        raw = paths.match(rule.path_template, path, any_case=denies)
        if raw is None:
            return _OTHER_PATH
        facts = facts.with_variables(paths.decode(raw))
    role = facts.roles[0] if facts.roles else None
    if rule.roles is not None:
        role = next((role for role in rule.roles if role in facts.roles), None)
        if role is None:
            return _OTHER_ROLE
    holds = rule.holds(facts) if rule.where is not None else True
    if denies:
        return Verdict(Finding.CONDITION, role) if holds is False else _DENIED
    if holds:
        return Verdict(Finding.GRANTED, role)
    return Verdict(Finding.CONDITION if holds is False else Finding.UNKNOWN, role)


def rule_on(rules: Sequence[Rule], facts: Facts) -> Ruling:
    """What the rules of a route say together: whoever is not granted access, or is denied it, stays out."""
    grant: Grant | None = None
    denial: int | None = None
    would_grant = would_deny = False
    shadow: list[int] = []
    for index, rule in enumerate(rules):
        if rule.enforce and (denial if rule.effect == "deny" else grant) is not None:
            continue
        finding, role = judge(rule, facts)
        if finding not in MATCHED:
            continue
        if not rule.enforce:
            shadow.append(index)
            would_deny |= finding is Finding.DENIED
            would_grant |= finding is Finding.GRANTED
        elif finding is Finding.DENIED:
            denial = index
        else:
            grant = Grant(index, role)
    if not shadow:
        return Ruling(grant, denial)
    allowed = (grant is not None or would_grant) and denial is None and not would_deny
    return Ruling(grant, denial, Shadow(tuple(shadow), allowed))
