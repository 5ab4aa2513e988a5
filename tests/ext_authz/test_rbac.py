import pytest

from ext_authz.identity import Identity
from ext_authz.policy import Condition, Rule
from ext_authz.rbac import Finding, Grant, Verdict, grant, judge

ALICE = Identity("alice", ("agent", "auditor"), "gold", {"region": "eu", "empty": ""}, "api_key")
OWN = Condition(variable="id", attribute="id")


@pytest.mark.parametrize(
    ("rule", "method", "variables", "verdict"),
    [
        (Rule(), "GET", {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(methods=("GET",)), "GET", {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(methods=("GET",)), "POST", {}, Verdict(Finding.METHOD)),
        (Rule(methods=("GET",)), "get", {}, Verdict(Finding.METHOD)),
        (Rule(methods=("GET",)), "HEAD", {}, Verdict(Finding.METHOD)),
        (Rule(methods=()), "GET", {}, Verdict(Finding.METHOD)),
        (Rule(roles=("admin", "agent")), "GET", {}, Verdict(Finding.GRANTED, "agent")),
        (Rule(roles=("auditor", "agent")), "GET", {}, Verdict(Finding.GRANTED, "auditor")),
        (Rule(roles=("Agent",)), "GET", {}, Verdict(Finding.ROLE)),
        (Rule(roles=("agent,auditor",)), "GET", {}, Verdict(Finding.ROLE)),
        (Rule(roles=()), "GET", {}, Verdict(Finding.ROLE)),
        (Rule(where=(OWN,)), "GET", {"id": "alice"}, Verdict(Finding.GRANTED, "agent")),
        (Rule(where=(OWN,)), "GET", {"id": "Alice"}, Verdict(Finding.CONDITION, "agent", OWN)),
        (Rule(where=(OWN,)), "GET", {}, Verdict(Finding.CONDITION, "agent", OWN)),
        (Rule(roles=("agent",), where=(OWN,)), "GET", {"id": "bob"}, Verdict(Finding.CONDITION, "agent", OWN)),
    ],
)
def test_a_rule_tells_whether_it_grants_and_what_did_not_match(
    rule: Rule, method: str, variables: dict[str, str], verdict: Verdict
) -> None:
    assert judge(rule, method, ALICE, variables) == verdict


@pytest.mark.parametrize(
    ("attribute", "value", "granted"),
    [
        ("plan", "gold", True),
        ("attributes.region", "eu", True),
        ("attributes.region", "us", False),
        ("attributes.nothing", "eu", False),
        ("region", "eu", False),
        ("roles", "agent", False),
        ("attributes.", "", False),
    ],
)
def test_a_condition_compares_a_variable_with_an_attribute_of_the_user(
    attribute: str, value: str, granted: bool
) -> None:
    rule = Rule(where=(Condition(variable="v", attribute=attribute),))
    assert (judge(rule, "GET", ALICE, {"v": value}).finding is Finding.GRANTED) is granted


def test_a_user_without_a_plan_matches_no_plan() -> None:
    rule = Rule(where=(Condition(variable="v", attribute="plan"),))
    assert grant([rule], "GET", ALICE._replace(plan=None), {"v": "None"}) is None


def test_the_first_rule_that_grants_is_named_with_its_role() -> None:
    rules = [Rule(methods=("POST",)), Rule(roles=("admin",)), Rule(roles=("auditor",)), Rule()]
    assert grant(rules, "GET", ALICE, {}) == Grant(2, "auditor")


def test_a_caller_without_roles_is_granted_under_none() -> None:
    assert grant([Rule()], "GET", ALICE._replace(roles=()), {}) == Grant(0, None)


def test_no_rules_grant_nothing() -> None:
    assert grant([], "GET", ALICE, {}) is None
