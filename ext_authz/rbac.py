"""Role-based access control: does a rule grant this caller access, and if not, why not? Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from ext_authz.identity import Identity
from ext_authz.policy import Condition, Rule

_ATTRIBUTES = "attributes."


class Finding(StrEnum):
    """How a rule met a request: it granted access, or the first thing that did not match."""

    GRANTED = "granted"
    METHOD = "method"
    ROLE = "role"
    CONDITION = "condition"


class Verdict(NamedTuple):
    """What one rule says. ``role`` is the first of the rule's roles that the caller has, or of the caller's own;
    ``condition`` the one that failed.
    """

    finding: Finding
    role: str | None = None
    condition: Condition | None = None


class Grant(NamedTuple):
    """The rule (index in ``Route.rules``) that granted access, and the role it counts under, None without one."""

    rule: int
    role: str | None


_OTHER_METHOD = Verdict(Finding.METHOD)
_OTHER_ROLE = Verdict(Finding.ROLE)


def judge(rule: Rule, method: str, identity: Identity, variables: Mapping[str, str]) -> Verdict:
    """What one rule says about a request. Methods compare exactly (RFC 9110: they are case-sensitive)."""
    if rule.methods is not None and method not in rule.methods:
        return _OTHER_METHOD
    role = identity.roles[0] if identity.roles else None
    if rule.roles is not None:
        role = next((role for role in rule.roles if role in identity.roles), None)
        if role is None:
            return _OTHER_ROLE
    for condition in rule.where:
        value = variables.get(condition.variable)
        if value is None or value != _attribute(identity, condition.attribute):
            return Verdict(Finding.CONDITION, role, condition)
    return Verdict(Finding.GRANTED, role)


def grant(rules: Sequence[Rule], method: str, identity: Identity, variables: Mapping[str, str]) -> Grant | None:
    """The first rule that grants access; None when none does, which means: denied."""
    for index, rule in enumerate(rules):
        verdict = judge(rule, method, identity, variables)
        if verdict.finding is Finding.GRANTED:
            return Grant(index, verdict.role)
    return None


def _attribute(identity: Identity, name: str) -> str | None:
    if name == "id":
        return identity.user
    if name == "plan":
        return identity.plan
    if name.startswith(_ATTRIBUTES):
        return identity.attributes.get(name.removeprefix(_ATTRIBUTES))
    return None
