from pathlib import Path
from typing import Any

import pytest

from ext_authz import engine
from ext_authz.engine import Case
from ext_authz.identity import Identity
from ext_authz.policy import Policy, Route
from tests.ext_authz.worlds import (
    AGENT_KEY,
    CUSTOMER_KEY,
    FOREIGN_KEY,
    NOW,
    POLICY,
    bearer,
    claims,
    judge,
    request,
    without_redis,
)

TOKEN = bearer()
BOTH = 'ApiKey realm="support", Bearer realm="support"'
EXPIRED = bearer(claims(exp=NOW - 3600))
WRONG = AGENT_KEY[:-1] + ("0" if AGENT_KEY[-1] != "0" else "1")

DENIED: list[tuple[dict[str, Any], int, str]] = [
    # route
    ({"revision": "r2"}, 503, "revision-not-loaded"),
    ({"revision": ""}, 503, "revision-not-loaded"),
    ({"route": ""}, 403, "route-unknown"),
    ({"route": "TICKETS"}, 403, "route-unknown"),
    ({"host": "a,b", "key": AGENT_KEY}, 400, "host-invalid"),
    ({"route": "open", "host": "user@a"}, 400, "host-invalid"),
    ({"path": "", "key": AGENT_KEY}, 400, "path-not-canonical"),
    ({"path": "/tickets;v=1", "key": AGENT_KEY}, 400, "path-not-canonical"),
    ({"route": "open", "path": "//open"}, 400, "path-not-canonical"),
    ({"route": "customer", "path": "/customers/42/x", "key": CUSTOMER_KEY}, 403, "path-mismatch"),
    ({"route": "customer", "path": "/other/42", "key": CUSTOMER_KEY}, 403, "path-mismatch"),
    ({"route": "customer", "path": "/customers/%ff", "key": CUSTOMER_KEY}, 400, "path-variable-invalid"),
    # credentials
    ({}, 401, "credential-missing"),
    ({"route": "customer", "path": "/customers/42"}, 401, "credential-missing"),
    ({"route": "shut"}, 401, "credential-missing"),
    ({"key": AGENT_KEY, "authorization": TOKEN}, 400, "credentials-ambiguous"),
    ({"route": "open", "key": AGENT_KEY, "authorization": TOKEN}, 400, "credentials-ambiguous"),
    ({"key": "", "authorization": ""}, 400, "credentials-ambiguous"),
    ({"key": f"{AGENT_KEY},{AGENT_KEY}"}, 400, "credential-duplicated"),
    ({"authorization": f"{TOKEN},{TOKEN}"}, 400, "credential-duplicated"),
    # authentication
    ({"key": ""}, 401, "key-invalid"),
    ({"key": WRONG}, 401, "key-invalid"),
    ({"key": AGENT_KEY + " "}, 401, "key-invalid"),
    ({"route": "open", "key": WRONG}, 401, "key-invalid"),
    ({"route": "open", "authorization": EXPIRED}, 401, "token-expired"),
    ({"authorization": ""}, 401, "scheme-unsupported"),
    ({"authorization": "Basic YTpi"}, 401, "scheme-unsupported"),
    # access
    ({"route": "shut", "key": AGENT_KEY}, 403, "access-denied"),
    ({"key": CUSTOMER_KEY}, 403, "access-denied"),
    ({"key": AGENT_KEY, "method": "DELETE"}, 403, "access-denied"),
    ({"key": AGENT_KEY, "method": "get"}, 403, "access-denied"),
    ({"route": "customer", "path": "/customers/43", "key": CUSTOMER_KEY}, 403, "access-denied"),
    ({"route": "customer", "path": "/customers/042", "key": CUSTOMER_KEY}, 403, "access-denied"),
    ({"route": "customer", "path": "/customers/42", "key": AGENT_KEY}, 403, "access-denied"),
]


@pytest.mark.parametrize(("asked", "status", "reason"), DENIED)
async def test_what_is_not_granted_is_denied_for_a_named_reason(
    tmp_path: Path, asked: dict[str, Any], status: int, reason: str
) -> None:
    decision = await judge(POLICY, request(**asked), without_redis(tmp_path))
    assert (decision.allow, decision.reason.status, decision.reason.code) == (False, status, reason)
    assert (decision.challenge is not None) is (status == 401)
    assert decision.taken == ()


@pytest.mark.parametrize(
    ("asked", "user", "role", "reason"),
    [
        ({"route": "open"}, None, None, "public"),
        ({"route": "open", "key": AGENT_KEY}, "alice", None, "public"),
        ({"key": AGENT_KEY}, "alice", "agent", "granted"),
        ({"key": AGENT_KEY, "method": "POST", "path": "/tickets?admin;//x"}, "alice", "agent", "granted"),
        ({"key": FOREIGN_KEY}, "old", "agent", "granted"),
        ({"authorization": TOKEN}, "alice", "agent", "granted"),
        ({"authorization": TOKEN.replace("Bearer", "bearer ")}, "alice", "agent", "granted"),
        ({"route": "any", "key": CUSTOMER_KEY}, "42", "customer", "granted"),
        ({"route": "customer", "path": "/customers/42", "key": CUSTOMER_KEY}, "42", "customer", "granted"),
        ({"route": "customer", "path": "/customers/%34%32", "key": CUSTOMER_KEY}, "42", "customer", "granted"),
    ],
)
async def test_what_a_rule_grants_is_allowed_and_names_user_and_role(
    tmp_path: Path, asked: dict[str, Any], user: str | None, role: str | None, reason: str
) -> None:
    decision = await judge(POLICY, request(**asked), without_redis(tmp_path))
    assert (decision.allow, decision.reason.code, decision.challenge) == (True, reason, None)
    assert (decision.identity.user if decision.identity else None) == user
    assert (decision.ruling.grant.role if decision.ruling.grant else None) == role


@pytest.mark.parametrize(
    ("asked", "challenge"),
    [
        ({}, BOTH),
        ({"key": "no"}, BOTH),
        (
            {"authorization": EXPIRED},
            f'{BOTH}, error="invalid_token", error_description="The token has expired."',
        ),
    ],
)
async def test_a_401_lists_the_configured_methods_and_why_a_token_was_refused(
    tmp_path: Path, asked: dict[str, Any], challenge: str
) -> None:
    assert (await judge(POLICY, request(**asked), without_redis(tmp_path))).challenge == challenge


async def test_a_method_that_is_not_configured_is_neither_challenged_nor_accepted(tmp_path: Path) -> None:
    tokens_only = POLICY.model_copy(update={"api_keys": None})
    decision = await judge(tokens_only, request(key=AGENT_KEY), without_redis(tmp_path))
    assert (decision.reason.code, decision.challenge) == ("credential-missing", 'Bearer realm="support"')


async def test_a_route_that_nobody_can_authenticate_for_is_denied_without_an_empty_challenge(tmp_path: Path) -> None:
    nobody = POLICY.model_copy(update={"api_keys": None, "issuers": ()})
    decision = await judge(nobody, request(key=AGENT_KEY, authorization=TOKEN), without_redis(tmp_path))
    assert (decision.reason.status, decision.reason.code, decision.challenge) == (403, "credential-missing", None)


async def test_a_policy_of_another_revision_than_the_request_never_judges_it(tmp_path: Path) -> None:
    decision = await judge(POLICY, request(key=AGENT_KEY, revision="r0"), without_redis(tmp_path))
    assert decision.reason.code == "revision-not-loaded"
    assert (await judge(None, request(key=AGENT_KEY), without_redis(tmp_path))).reason.code == "revision-not-loaded"


@pytest.mark.parametrize(
    ("asked", "forward", "stripped"),
    [
        ({"route": "open"}, False, ("x-api-key",)),
        ({"key": AGENT_KEY}, False, ("x-api-key",)),
        ({"key": AGENT_KEY}, True, ("x-api-key",)),
        ({"authorization": TOKEN}, False, ("x-api-key", "authorization")),
        ({"authorization": TOKEN}, True, ("x-api-key",)),
    ],
)
async def test_credentials_do_not_reach_the_upstream_unless_the_policy_forwards_tokens(
    tmp_path: Path, asked: dict[str, Any], forward: bool, stripped: tuple[str, ...]
) -> None:
    policy = POLICY.model_copy(update={"forward_credentials": forward})
    taken = (await judge(policy, request(**asked), without_redis(tmp_path))).taken
    assert tuple(header for one in taken for header in one.headers) == stripped


async def test_an_outcome_that_does_not_belong_to_the_request_is_an_error_not_an_answer(tmp_path: Path) -> None:
    authenticators = without_redis(tmp_path)
    with_key = engine.examine(POLICY, request("open", key=WRONG), authenticators)
    without_key = engine.examine(POLICY, request("tickets"), authenticators)
    assert isinstance(with_key, Case)
    assert isinstance(without_key, Case)
    with pytest.raises(ValueError, match="do not belong"):
        engine.decide(with_key, [])
    with pytest.raises(ValueError, match="do not belong"):
        engine.decide(without_key, [Identity("eve", ("agent",), None, {}, "api_key")])


async def test_the_realm_is_quoted(tmp_path: Path) -> None:
    odd = Policy(revision="r1", gateway='a"b\\c', issuers=POLICY.issuers, routes={"tickets": Route()})
    assert (await judge(odd, request(), without_redis(tmp_path))).challenge == r'Bearer realm="a\"b\\c"'
