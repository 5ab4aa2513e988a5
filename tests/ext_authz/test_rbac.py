from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_authz import condition as c
from ext_authz.evaluation import Facts
from ext_authz.policy import Rule
from ext_authz.rbac import Finding, Grant, Ruling, Shadow, Verdict, judge, rule_on
from tests.ext_authz.worlds import OWN

PLAN = c.Compare(operator="==", left=c.Fact(source="user", name="plan"), right=c.Text(value="gold"))
DRY = c.Compare(operator="!=", left=c.Fact(source="query", name="dry"), right=c.Text(value="no"))


def facts(
    method: str = "GET", target: str = "/t", variables: dict[str, str] | None = None, roles: tuple[str, ...] = ()
) -> Facts:
    return Facts(
        method=method,
        target=target,
        headers={},
        user="alice",
        roles=roles or ("agent", "auditor"),
        plan="gold",
        attributes={},
        variables=variables or {},
    )


@pytest.mark.parametrize(
    ("rule", "asked", "verdict"),
    [
        (Rule(), {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(methods=("GET",)), {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(methods=("GET",)), {"method": "POST"}, Verdict(Finding.METHOD)),
        (Rule(methods=("GET",)), {"method": "get"}, Verdict(Finding.METHOD)),
        (Rule(methods=("GET",)), {"method": "HEAD"}, Verdict(Finding.METHOD)),
        (Rule(methods=()), {}, Verdict(Finding.METHOD)),
        (Rule(roles=("admin", "agent")), {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(roles=("auditor", "agent")), {}, Verdict(Finding.GRANTED, "auditor")),
        (Rule(roles=("Agent",)), {}, Verdict(Finding.ROLE)),
        (Rule(roles=("agent,auditor",)), {}, Verdict(Finding.ROLE)),
        (Rule(roles=()), {}, Verdict(Finding.ROLE)),
        (Rule(where=OWN), {"variables": {"id": "alice"}}, Verdict(Finding.GRANTED, "agent")),
        (Rule(where=OWN), {"variables": {"id": "Alice"}}, Verdict(Finding.CONDITION, "agent")),
        (Rule(where=OWN), {}, Verdict(Finding.UNKNOWN, "agent")),
        (Rule(where=DRY), {"target": "/t"}, Verdict(Finding.GRANTED, "agent")),
        (Rule(where=DRY), {"target": "/t?dry=x"}, Verdict(Finding.GRANTED, "agent")),
        (Rule(where=DRY), {"target": "/t?dry=x&dry=no"}, Verdict(Finding.UNKNOWN, "agent")),
        (Rule(path_template="/u/{id}", where=OWN), {"target": "/u/alice?x"}, Verdict(Finding.GRANTED, "agent")),
        (Rule(path_template="/u/{id}", where=OWN), {"target": "/u/bob"}, Verdict(Finding.CONDITION, "agent")),
        (Rule(path_template="/u/{id}", where=OWN), {"target": "/u/%FF"}, Verdict(Finding.UNKNOWN, "agent")),
        (Rule(path_template="/u/{id}"), {"target": "/u/alice/"}, Verdict(Finding.PATH)),
        (Rule(effect="deny"), {}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", methods=("PUT",)), {}, Verdict(Finding.METHOD)),
        (Rule(effect="deny", roles=("x",)), {}, Verdict(Finding.ROLE)),
        (Rule(effect="deny", where=OWN), {"variables": {"id": "alice"}}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", where=OWN), {"variables": {"id": "bob"}}, Verdict(Finding.CONDITION, "agent")),
        (Rule(effect="deny", where=OWN), {}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", where=c.Not(condition=OWN)), {}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/a/{x}"), {"target": "/a/1/"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/admin/{x}"), {"target": "/%61dmin/1"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/a/{id}", where=OWN), {"target": "/a/%ff"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/admin/{x}"), {"target": "/ADMIN/1"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/Admin"), {"target": "/%41dmiN/"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", path_template="/U/{id}", where=OWN), {"target": "/u/alice"}, Verdict(Finding.DENIED)),
        (Rule(effect="deny", methods=("DELETE",)), {"method": "Delete"}, Verdict(Finding.DENIED)),
        (Rule(path_template="/admin/{x}"), {"target": "/ADMIN/1"}, Verdict(Finding.PATH)),
        (Rule(effect="deny", path_template="/a/{id}"), {"target": "/b/1"}, Verdict(Finding.PATH)),
    ],
)
def test_a_rule_tells_whether_it_matches_and_what_did_not(rule: Rule, asked: dict[str, Any], verdict: Verdict) -> None:
    assert judge(rule, facts(**asked)) == verdict


def test_the_first_rule_that_grants_is_named_with_its_role() -> None:
    rules = [Rule(methods=("POST",)), Rule(roles=("admin",)), Rule(roles=("auditor",)), Rule()]
    assert rule_on(rules, facts()) == Ruling(Grant(2, "auditor"))


def test_no_rules_grant_nothing() -> None:
    assert rule_on([], facts()) == Ruling()
    assert not Ruling().allow


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_denial_wins_over_every_grant_wherever_it_stands(place: int) -> None:
    rules = [Rule(), Rule(roles=("agent",))]
    rules.insert(place, Rule(effect="deny", roles=("auditor",)))
    ruling = rule_on(rules, facts())
    assert (ruling.allow, ruling.denial) == (False, place)


@pytest.mark.parametrize(
    ("rules", "allow", "shadow"),
    [
        ([Rule(), Rule(effect="deny", enforce=False)], True, Shadow((1,), allow=False)),
        ([Rule(enforce=False)], False, Shadow((0,), allow=True)),
        ([Rule(enforce=False), Rule(effect="deny", enforce=False)], False, Shadow((0, 1), allow=False)),
        ([Rule(enforce=False), Rule(effect="deny")], False, Shadow((0,), allow=False)),
        ([Rule(), Rule(enforce=False)], True, Shadow((1,), allow=True)),
        ([Rule(), Rule(enforce=False, roles=("x",))], True, None),
    ],
)
def test_what_is_not_enforced_is_told_and_changes_nothing(
    rules: list[Rule], allow: bool, shadow: Shadow | None
) -> None:
    ruling = rule_on(rules, facts())
    assert (ruling.allow, ruling.shadow) == (allow, shadow)


RULES = st.builds(
    Rule,
    effect=st.sampled_from(["allow", "allow", "deny"]),
    enforce=st.booleans(),
    methods=st.none() | st.sampled_from([("GET",), ("PUT", "GET"), ("PUT",)]),
    roles=st.none() | st.sampled_from([("agent",), ("x",), ("x", "auditor")]),
    path_template=st.none() | st.sampled_from(["/{id}", "/u/{id}"]),
    where=st.none() | st.sampled_from([OWN, PLAN, DRY, c.Not(condition=OWN)]),
)
ASKED = st.builds(
    facts, st.sampled_from(["GET", "PUT"]), st.sampled_from(["/alice", "/u/alice?dry=x", "/u/bob?dry=no", "/u/%ff/"])
)


@settings(max_examples=300, deadline=None)
@given(rules=st.lists(RULES, max_size=5), asked=ASKED)
def test_access_needs_a_grant_and_no_denial_and_shadow_rules_change_nothing(rules: list[Rule], asked: Facts) -> None:
    ruling, enforced = rule_on(rules, asked), [rule for rule in rules if rule.enforce]
    findings = [judge(rule, asked).finding for rule in enforced]
    assert ruling.allow == (Finding.GRANTED in findings and Finding.DENIED not in findings)
    assert rule_on(enforced, asked).allow == ruling.allow
    would = rule_on([rule.model_copy(update={"enforce": True}) for rule in rules], asked)
    assert ruling.shadow is None or ruling.shadow.allow == would.allow
    assert ruling.shadow is not None or would.allow == ruling.allow
