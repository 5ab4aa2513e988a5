import json
from typing import Any

import pytest

from ext_authz import claims, strict_json
from ext_authz.policy import ClaimMapping, Issuer
from tests.ext_authz.worlds import POLICY
from tests.ext_authz.worlds import claims as good

READER = ClaimMapping(claim="scope", contains="tickets.read", roles=("reader",))
WRITER = ClaimMapping(claim="scope", contains="tickets.write", roles=("reader", "writer"))
ACME = ClaimMapping(claim="org.name", equals="acme", plan="pro", attributes={"tenant": "acme", "region": "eu"})
STAFF = ClaimMapping(claim="staff", equals="true", roles=("agent",), plan="internal", attributes={"region": "us"})
LEVEL = ClaimMapping(claim="level", equals="3", roles=("admin",))


def issuer(*mappings: ClaimMapping, roles_claim: str | None = None) -> Issuer:
    return POLICY.issuers[0].model_copy(update={"mappings": mappings, "roles_claim": roles_claim})


@pytest.mark.parametrize(
    ("carried", "roles"),
    [
        ({"scope": "openid tickets.read"}, ("reader",)),
        ({"scope": "tickets.read tickets.write"}, ("reader", "writer")),
        ({"scope": ["tickets.write"]}, ("reader", "writer")),
        ({"scope": "tickets.readonly xtickets.read"}, ()),
        ({"scope": "TICKETS.READ"}, ()),
        ({"scope": {"tickets.read": True}}, ()),
        ({"scope": [["tickets.read"]]}, ()),
        ({"scope": None}, ()),
        ({"scope": 1}, ()),
        ({"staff": True}, ("agent",)),
        ({"staff": "true"}, ("agent",)),
        ({"staff": 1}, ()),
        ({"staff": False}, ()),
        ({"level": 3}, ("admin",)),
        ({"level": "3"}, ("admin",)),
        ({"level": 3.0}, ()),
        ({"level": [3]}, ()),
        ({}, ()),
    ],
)
def test_a_claim_gives_the_roles_that_it_is_mapped_to_and_nothing_by_chance(
    carried: dict[str, Any], roles: tuple[str, ...]
) -> None:
    caller = claims.caller(issuer(READER, WRITER, STAFF, LEVEL), good(**carried))
    assert caller is not None
    assert caller.roles == roles


def test_roles_of_the_issuer_count_only_when_their_claim_is_taken_as_it_is() -> None:
    carried = good(roles=["root", "reader"], scope="tickets.write")
    mapped = claims.caller(issuer(WRITER), carried)
    both = claims.caller(issuer(WRITER, roles_claim="roles"), carried)
    assert mapped
    assert both
    assert (mapped.roles, both.roles) == (("reader", "writer"), ("root", "reader", "writer"))


def test_the_first_mapping_that_names_a_plan_or_attribute_decides_it_then_the_claim() -> None:
    trusted = issuer(ACME, STAFF)
    both = claims.caller(trusted, good(org={"name": "acme"}, staff=True, plan="free", region="asia"))
    neither = claims.caller(trusted, good(org={"name": "other"}, plan="free", region="asia"))
    assert both
    assert neither
    assert (both.plan, dict(both.attributes)) == ("pro", {"region": "eu", "tenant": "acme"})
    assert (neither.plan, dict(neither.attributes)) == ("free", {"region": "asia"})


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"1",
        b"[]",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": [{"c": 1, "c": 1}]}}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b'{"a": 1} x',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'{"a":' + b"[" * 100_000,
    ],
    ids=range(16),
)
def test_json_that_readers_may_understand_differently_or_that_is_deep_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is the library's business
        strict_json.parse_object(document)


def test_other_json_is_what_it_always_was() -> None:
    document: dict[str, Any] = {"a": [1, {"b": [None, True, 1.5, "ü\ud800"]}], "": {}, "A": 1}
    assert strict_json.parse_object(json.dumps(document).encode()) == document
