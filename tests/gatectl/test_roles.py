"""Inheritance and permissions end in plain sets of roles."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_authz import condition as c
from gatectl.compiler.access import compile_access
from gatectl.spec.model import AccessRule, Role, Spec
from gatectl.spec.roles import covers, holders, of_rule

NAMES = "abcde"
INHERITANCE = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Role, inherits=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple))
)


@settings(max_examples=200, deadline=None)
@given(roles=INHERITANCE)
def test_a_role_is_held_by_exactly_those_from_whom_a_way_leads_to_it(roles: dict[str, Role]) -> None:
    edges = {(name, parent) for name, role in roles.items() for parent in role.inherits}
    for _ in NAMES:  # all ways, by brute force
        edges |= {(one, four) for (one, two), (three, four) in itertools.product(edges, edges) if two == three}
    for name, held_by in holders(roles).items():
        assert held_by[0] == name
        assert set(held_by) == {name} | {one for one, two in edges if two == name}
        assert len(held_by) == len(set(held_by))


@pytest.mark.parametrize(
    ("pattern", "permission", "covered"),
    [
        ("tickets:read", "tickets:read", True),
        ("tickets:*", "tickets:read", True),
        ("tickets:*", "tickets:notes:read", True),
        ("*", "tickets:read", True),
        ("tickets:*", "tickets", False),
        ("tickets:*", "ticketsx:read", False),
        ("tickets:read", "tickets:readall", False),
        ("tickets", "tickets:read", False),
    ],
)
def test_a_star_stands_for_all_that_begins_so(pattern: str, permission: str, covered: bool) -> None:
    assert covers(pattern, permission) is covered


ROLES = {
    "root": Role(permissions=("*",)),
    "admin": Role(inherits=("agent",), permissions=("users:*",)),
    "agent": Role(inherits=("reader",), permissions=("tickets:write",)),
    "reader": Role(permissions=("tickets:read",)),
}


@pytest.mark.parametrize(
    ("rule", "roles"),
    [
        (AccessRule(roles=("reader",)), ("reader", "admin", "agent")),
        (AccessRule(roles=("admin",)), ("admin",)),
        (AccessRule(roles=("undeclared",)), ("undeclared",)),
        (AccessRule(permissions=("tickets:write",)), ("agent", "admin", "root")),
        (AccessRule(permissions=("users:delete",)), ("admin", "root")),
        (AccessRule(permissions=("nothing",)), ("root",)),
        (AccessRule(methods=("GET",)), None),
    ],
)
def test_a_rule_is_for_those_who_inherit_and_for_those_who_hold_the_permission(
    rule: AccessRule, roles: tuple[str, ...] | None
) -> None:
    assert of_rule(rule, ROLES, holders(ROLES)) == roles


def test_a_permission_that_nobody_holds_is_for_nobody_not_for_everybody() -> None:
    assert of_rule(AccessRule(permissions=("x",)), {"a": Role()}, holders({"a": Role()})) == ()


def compiled(**fields: object) -> c.Condition | None:
    route = {"name": "r", "match": {"path": "/r"}, "upstream": "u", "access": ({"where": '"agent" in user.roles'},)}
    spec = Spec.model_validate(
        {"version": 1, "name": "g", "upstreams": {"u": {"endpoints": ("127.0.0.1:1",)}}, "routes": (route,), **fields}
    )
    return compile_access(spec).routes["r"].rules[0].where


def test_a_role_in_a_condition_is_held_by_those_who_inherit_it() -> None:
    assert compiled(roles=ROLES) == c.HasRole(roles=("agent", "admin"))
    assert compiled() == c.HasRole(roles=("agent",))


ACCEPTED = [
    ("authenticated", {"all": ("mtls", "jwt")}, None, (("mtls", "jwt"), True)),
    ("authenticated", {"all": ("mtls", "jwt")}, {"any": ("jwt",)}, (("jwt",), False)),
    ("authenticated", {"any": ("api_key",)}, None, (("api_key",), False)),
    ("authenticated", {}, None, None),
    ("public", {"all": ("mtls", "jwt")}, None, (("mtls", "jwt"), False)),
    ("public", {}, {"any": ("jwt",)}, (("jwt",), False)),
]


@pytest.mark.parametrize(("access", "gateway", "own", "accepted"), ACCEPTED)
def test_a_route_takes_what_it_says_or_else_what_the_gateway_says(
    access: str, gateway: dict[str, object], own: dict[str, object] | None, accepted: tuple[object, bool] | None
) -> None:
    route: dict[str, object] = {"name": "r", "match": {"path": "/r"}, "upstream": "u", "access": access}
    route |= {"authentication": own} if own is not None else {}
    certificate = {"dns": "a.example", "user": "a", "roles": ("x",)}
    spec = Spec.model_validate(
        {
            "version": 1,
            "name": "g",
            "authentication": {**gateway, "certificates": (certificate,)},
            "upstreams": {"u": {"endpoints": ("127.0.0.1:1",)}},
            "routes": (route,),
        }
    )
    policy = compile_access(spec)
    one = policy.routes["r"].authentication
    assert (None if one is None else (one.methods, one.all)) == accepted
    assert [(each.name, each.user, each.roles) for each in policy.certificates] == [("a.example", "a", ("x",))]
