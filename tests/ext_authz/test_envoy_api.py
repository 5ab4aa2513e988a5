import json
import time
from pathlib import Path
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format

from ext_authz import envoy_api, policy, reasons
from ext_authz.engine import Decision, Taken
from ext_authz.identity import Identity
from ext_authz.rbac import Grant, Ruling, Shadow
from ext_authz.reasons import Reason
from ext_authz.server import Authorization
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, NOW, POLICY, bearer, check_request, request, without_redis

TOKEN = bearer()


class Book:
    def get(self, revision: str) -> policy.Policy | None:
        return POLICY if revision == "r1" else None


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authorization:
    monkeypatch.setattr(time, "time", lambda: NOW)
    book: Any = Book()
    return Authorization(book, without_redis(tmp_path))


async def answer(service: Authorization, raw: bytes) -> external_auth_pb2.CheckResponse:
    return external_auth_pb2.CheckResponse.FromString(await service.check(raw))


def headers_of(part: Any) -> dict[str, str]:
    return {option.header.key: option.header.value for option in part.headers}


def metadata_of(response: external_auth_pb2.CheckResponse) -> dict[str, str]:
    fields = response.dynamic_metadata.fields
    assert all(value.WhichOneof("kind") == "string_value" and value.string_value for value in fields.values())
    return {name: value.string_value for name, value in fields.items()}


def test_a_check_request_is_read_without_trusting_what_the_client_says_about_itself() -> None:
    asked = request("customer", path="/customers/42?a=b", key=AGENT_KEY)
    asked.headers["x-forwarded-for"] = "203.0.113.9"  # type: ignore[index]
    parsed = envoy_api.parse(check_request(asked))
    assert parsed._replace(headers={}) == asked._replace(headers={})
    assert parsed.headers == {"x-request-id": "request-1", **asked.headers}


def test_an_empty_check_request_is_a_request_for_nothing() -> None:
    assert envoy_api.parse(b"") == envoy_api.UNREADABLE


async def test_an_allowed_key_gets_its_identity_and_loses_its_credential(service: Authorization) -> None:
    response = await answer(service, check_request(request(key=AGENT_KEY)))
    assert response.status.code == 0
    assert response.WhichOneof("http_response") == "ok_response"
    ok = response.ok_response
    assert headers_of(ok) == {
        "x-gate-user": "alice",
        "x-gate-roles": "agent,auditor",
        "x-gate-plan": "gold",
        "x-gate-auth-method": "api_key",
    }
    assert list(ok.headers_to_remove) == ["x-gate-identity", "x-api-key"]
    assert metadata_of(response) == {
        "subject": "user:alice",
        "user": "alice",
        "role": "agent",
        "plan": "gold",
        "key_id": POLICY.api_keys.static[0].id if POLICY.api_keys else "",
        "auth_method": "api_key",
        "client_address": "192.0.2.7",
        "decision": "allow",
        "reason": "granted",
        "shadow": "-",
    }


async def test_an_anonymous_caller_gets_no_identity_and_may_not_bring_one(service: Authorization) -> None:
    response = await answer(service, check_request(request("open")))
    assert response.status.code == 0
    assert not response.ok_response.headers
    assert set(response.ok_response.headers_to_remove) == {*policy.IDENTITY_HEADERS, "x-api-key"}
    values = metadata_of(response)
    assert (values["subject"], values["user"], values["role"], values["auth_method"]) == (
        "address:192.0.2.7",
        "-",
        "-",
        "-",
    )


async def test_a_token_is_taken_away_and_an_absent_plan_removed(service: Authorization) -> None:
    response = await answer(service, check_request(request(authorization=TOKEN)))
    assert headers_of(response.ok_response)["x-gate-auth-method"] == "jwt"
    assert set(response.ok_response.headers_to_remove) == {
        "x-gate-plan",
        "x-gate-identity",
        "x-api-key",
        "authorization",
    }


@pytest.mark.parametrize(
    ("shadow", "word"), [(None, "-"), (Shadow((1,), True), "allow"), (Shadow((0, 2), False), "deny")]
)
def test_metadata_say_how_rules_that_are_not_enforced_would_have_decided(shadow: Shadow | None, word: str) -> None:
    decision = Decision(allow=True, reason=reasons.GRANTED, ruling=Ruling(Grant(0, "r"), None, shadow))
    assert envoy_api.metadata(decision, request())["shadow"] == word


@pytest.mark.parametrize(
    ("identity", "stripped"),
    [
        (None, ("x-api-key", "authorization")),
        (Identity("u", (), None, {}, "jwt"), ("x-api-key", "authorization")),
        (Identity("u", ("r",), "p", {}, "jwt"), ("x-gate-user", "x-gate-plan")),
    ],
)
def test_every_header_that_is_set_overwrites_and_none_is_both_set_and_removed(
    identity: Identity | None, stripped: tuple[str, ...]
) -> None:
    decision = Decision(
        allow=True, reason=reasons.GRANTED, identity=identity, ruling=Ruling(Grant(0, None)), taken=(Taken(stripped),)
    )
    response = external_auth_pb2.CheckResponse.FromString(envoy_api.respond(decision, request()))
    ok = response.ok_response
    assert set(headers_of(ok)).isdisjoint(ok.headers_to_remove)
    assert set(policy.IDENTITY_HEADERS) <= set(headers_of(ok)) | set(ok.headers_to_remove)
    for option in ok.headers:
        assert option.append_action == base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        assert option.append_action != 0
        assert not option.HasField("append")
        assert option.header.value


ALL_REASONS = [value for value in vars(reasons).values() if isinstance(value, Reason)]


@pytest.mark.parametrize("reason", [r for r in ALL_REASONS if r.status != 200], ids=lambda reason: reason.code)
def test_every_refusal_is_a_complete_problem(reason: Reason) -> None:
    challenge = 'ApiKey realm="x"' if reason.status == 401 else None
    retry_after = 7 if reason.status == 429 else None
    decision = Decision(allow=False, reason=reason, challenge=challenge, retry_after=retry_after)
    response = external_auth_pb2.CheckResponse.FromString(envoy_api.respond(decision, request()))
    assert response.status.code == {401: 16, 429: 8, 503: 14}.get(reason.status, 7)
    assert response.WhichOneof("http_response") == "denied_response"
    denied = response.denied_response
    assert denied.status.code == reason.status
    assert headers_of(denied) == (
        {"content-type": "application/problem+json"}
        | ({"www-authenticate": challenge} if challenge else {})
        | ({"retry-after": "7"} if retry_after else {})
    )
    assert all(
        option.append_action == base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD for option in denied.headers
    )
    problem = json.loads(denied.body)
    assert problem.pop("title")
    assert problem == {
        "type": f"urn:gatectl:error:{reason.code}",
        "status": reason.status,
        "detail": reason.detail,
        "request_id": "request-1",
    }
    assert metadata_of(response)["decision"] == "deny"
    assert metadata_of(response)["reason"] == reason.code


def test_reason_codes_are_unique_and_their_details_fit_into_a_challenge() -> None:
    assert len({reason.code for reason in ALL_REASONS}) == len(ALL_REASONS)
    for reason in ALL_REASONS:
        assert reason.detail.isascii()
        assert not set(reason.detail) & set('"\\')


async def test_a_401_challenges_and_a_403_knows_who_was_refused(service: Authorization) -> None:
    nobody = await answer(service, check_request(request()))
    assert nobody.denied_response.status.code == 401
    assert headers_of(nobody.denied_response)["www-authenticate"].startswith('ApiKey realm="support"')
    customer = await answer(service, check_request(request(key=CUSTOMER_KEY)))
    assert customer.denied_response.status.code == 403
    assert metadata_of(customer)["subject"] == "user:42"
    assert metadata_of(customer)["role"] == "-"


def told_to_limits(decision: Decision) -> dict[str, Any]:
    """The metadata that only some limits count by."""
    response = external_auth_pb2.CheckResponse.FromString(envoy_api.respond(decision, request()))
    metadata = json_format.MessageToDict(response.dynamic_metadata)
    return {key: metadata[key] for key in (policy.METADATA_ATTRIBUTES, policy.METADATA_LEASE) if key in metadata}


@pytest.mark.parametrize(
    ("counted", "attributes", "told"),
    [
        ((), {"tenant": "acme"}, {}),
        (("tenant",), {"tenant": "acme", "secret": "x"}, {"attributes": {"tenant": "acme"}}),
        (("tenant", "level"), {"tenant": "acme"}, {"attributes": {"tenant": "acme"}}),
        (("tenant",), {"tenant": ""}, {}),
        (("tenant",), None, {}),
    ],
)
def test_of_a_callers_attributes_envoy_gets_those_that_limits_count_by(
    counted: tuple[str, ...], attributes: dict[str, str] | None, told: dict[str, Any]
) -> None:
    identity = Identity("u", (), None, attributes, "jwt") if attributes is not None else None
    allowed = Decision(allow=True, reason=reasons.GRANTED, identity=identity, counted_attributes=counted)
    assert told_to_limits(allowed) == told
    assert told_to_limits(allowed._replace(allow=False, reason=reasons.ACCESS_DENIED)) == {}


def test_every_request_gets_a_lease_of_its_own_where_limits_want_one() -> None:
    allowed = Decision(allow=True, reason=reasons.PUBLIC, leases=True)
    leases = {told_to_limits(allowed)[policy.METADATA_LEASE] for _ in range(50)}
    assert len(leases) == 50
    assert all(len(lease) >= 20 for lease in leases)


async def test_what_limits_want_to_know_is_in_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    book: Any = Book()
    wanted = POLICY.model_copy(update={"leases": True})
    monkeypatch.setattr(book, "get", lambda _revision: wanted)
    response = await answer(Authorization(book, without_redis(tmp_path)), check_request(request(key=AGENT_KEY)))
    assert response.dynamic_metadata.fields[policy.METADATA_LEASE].string_value
