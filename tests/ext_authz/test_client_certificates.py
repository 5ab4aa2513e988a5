"""Certificates as credentials, alone and together with others."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ext_authz.authenticators.certificate import CertificateAuthenticator
from ext_authz.engine import Authenticator, Decision
from ext_authz.policy import Authentication, Certificate, Policy, Route, Rule
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, POLICY, bearer, judge, request, without_redis

SPIFFE, DNS = "spiffe://example.com/billing", "client.example.com"
WRONG = AGENT_KEY[:-1] + ("0" if AGENT_KEY[-1] != "0" else "1")


def route(*methods: str, together: bool = False, public: bool = False) -> Route:
    accepted = Authentication(methods=methods, all=together) if methods else None
    return Route(public=public, authentication=accepted, rules=() if public else (Rule(),))


MTLS = POLICY.model_copy(
    update={
        "certificates": (
            Certificate(name=SPIFFE, user="billing", roles=("agent",), plan="gold", attributes={"tenant": "acme"}),
            Certificate(name=DNS, user="client"),
        ),
        "routes": {
            "any": route(),
            "open": route(public=True),
            "only": route("mtls"),
            "either": route("mtls", "jwt"),
            "open-only": route("mtls", public=True),
            "keyed": route("api_key"),
            "open-keyed": route("api_key", public=True),
            "both": route("mtls", "api_key", together=True),
            "turned": route("api_key", "mtls", together=True),
            "two": route("api_key", "jwt", together=True),
        },
    }
)


async def decide(tmp_path: Path, asked: dict[str, Any], principal: str = "", rules: Policy = MTLS) -> Decision:
    authenticators: tuple[Authenticator, ...] = (*without_redis(tmp_path), CertificateAuthenticator())
    return await judge(rules, request(**asked)._replace(principal=principal), authenticators)


@pytest.mark.parametrize(
    ("asked", "principal", "user", "method"),
    [
        ({"route": "any"}, SPIFFE, "billing", "mtls"),
        ({"route": "any"}, DNS, "client", "mtls"),
        ({"route": "open"}, SPIFFE, "billing", "mtls"),
        ({"route": "open"}, "", None, None),
        ({"route": "only"}, SPIFFE, "billing", "mtls"),
        ({"route": "either"}, SPIFFE, "billing", "mtls"),
        ({"route": "either", "authorization": bearer()}, SPIFFE, "alice", "jwt"),
        ({"route": "either", "authorization": bearer()}, "CN=nobody", "alice", "jwt"),
        ({"route": "any", "key": CUSTOMER_KEY}, SPIFFE, "42", "api_key"),
        ({"route": "any", "key": CUSTOMER_KEY}, "spiffe://example.com/other", "42", "api_key"),
        ({"route": "keyed", "key": CUSTOMER_KEY}, "CN=nobody", "42", "api_key"),
        ({"route": "open-keyed"}, "CN=nobody", None, None),
        ({"route": "both", "key": CUSTOMER_KEY}, SPIFFE, "billing", "mtls+api_key"),
        ({"route": "turned", "key": CUSTOMER_KEY}, SPIFFE, "42", "api_key+mtls"),
        ({"route": "two", "key": CUSTOMER_KEY, "authorization": bearer()}, "CN=nobody", "42", "api_key+jwt"),
    ],
)
async def test_the_caller_is_whom_the_demanded_credential_proves(
    tmp_path: Path, asked: dict[str, Any], principal: str, user: str | None, method: str | None
) -> None:
    decision = await decide(tmp_path, asked, principal)
    assert decision.allow
    assert (decision.identity.user if decision.identity else None, decision.method) == (user, method)


@pytest.mark.parametrize(
    ("asked", "principal", "status", "reason"),
    [
        ({"route": "only"}, "", 403, "certificate-missing"),
        ({"route": "only", "key": AGENT_KEY}, SPIFFE, 403, "credential-not-accepted"),
        ({"route": "only", "authorization": bearer()}, "", 403, "credential-not-accepted"),
        ({"route": "open-only", "key": AGENT_KEY}, "", 403, "credential-not-accepted"),
        ({"route": "keyed"}, SPIFFE, 401, "credential-missing"),
        ({"route": "keyed", "authorization": bearer()}, SPIFFE, 401, "credential-not-accepted"),
        ({"route": "either", "key": AGENT_KEY}, SPIFFE, 401, "credential-not-accepted"),
        ({"route": "open-keyed", "authorization": bearer()}, "", 401, "credential-not-accepted"),
        ({"route": "any", "key": WRONG}, SPIFFE, 401, "key-invalid"),
        ({"route": "open", "key": WRONG}, SPIFFE, 401, "key-invalid"),
        ({"route": "both"}, SPIFFE, 401, "credential-missing"),
        ({"route": "both", "key": AGENT_KEY}, "", 403, "certificate-missing"),
        ({"route": "both", "key": WRONG}, SPIFFE, 401, "key-invalid"),
        ({"route": "both", "key": AGENT_KEY}, "CN=nobody", 403, "certificate-unknown"),
        ({"route": "turned", "key": AGENT_KEY}, "CN=nobody", 403, "certificate-unknown"),
        ({"route": "two", "key": AGENT_KEY}, SPIFFE, 401, "credential-missing"),
        ({"route": "any", "key": AGENT_KEY, "authorization": bearer()}, SPIFFE, 400, "credentials-ambiguous"),
    ],
)
async def test_what_is_missing_or_bad_among_the_demanded_is_refused(
    tmp_path: Path, asked: dict[str, Any], principal: str, status: int, reason: str
) -> None:
    decision = await decide(tmp_path, asked, principal)
    assert (decision.allow, decision.reason.status, decision.reason.code) == (False, status, reason)
    assert (decision.challenge is not None) is (status == 401)
    assert "mtls" not in (decision.challenge or "").lower()


@pytest.mark.parametrize("where", ["any", "open", "only"])
@pytest.mark.parametrize(
    "principal",
    [
        SPIFFE + "/",
        SPIFFE.upper(),
        SPIFFE + "\x00",
        SPIFFE + "\x00.evil.example",
        "spiffe://example.com",
        " " + SPIFFE,
        DNS.upper(),
        DNS + ".",
        "*.example.com",
        "evil." + DNS,
        f"CN={DNS}",
        f"CN={SPIFFE},O=example",
        f"O={DNS}",
        "CN=billing",
        f"{DNS},{SPIFFE}",
    ],
)
async def test_a_certificate_that_is_not_listed_to_the_letter_is_refused(
    tmp_path: Path, where: str, principal: str
) -> None:
    decision = await decide(tmp_path, {"route": where}, principal)
    assert (decision.allow, decision.reason.code, decision.challenge) == (False, "certificate-unknown", None)


@pytest.mark.parametrize(
    "name", ["CN=a", "CN=a,O=b", "a b", "A.example.com", "a.", "", "*.example.com", "spiffe:a", "=="]
)
def test_no_subject_and_no_pattern_can_be_listed(name: str) -> None:
    with pytest.raises(ValidationError):
        Certificate(name=name, user="u")


async def test_without_a_list_a_certificate_says_nothing(tmp_path: Path) -> None:
    none = MTLS.model_copy(update={"certificates": ()})
    assert (await decide(tmp_path, {"route": "any"}, SPIFFE, none)).reason.code == "credential-missing"
    assert (await decide(tmp_path, {"route": "open"}, SPIFFE, none)).allow


@pytest.mark.parametrize("listed", [True, False])
async def test_where_nothing_but_certificates_can_prove_a_caller_a_missing_one_is_403_without_a_challenge(
    tmp_path: Path, listed: bool
) -> None:
    bare = MTLS.model_copy(update={"api_keys": None, "issuers": ()} | ({} if listed else {"certificates": ()}))
    decision = await decide(tmp_path, {"route": "any"}, "", bare)
    reason = "certificate-missing" if listed else "credential-missing"
    assert (decision.reason.status, decision.reason.code, decision.challenge) == (403, reason, None)


async def test_a_header_never_stands_for_a_certificate(tmp_path: Path) -> None:
    asked = request("only")
    for name in ("x-forwarded-client-cert", "x-client-cert", "principal"):
        asked = asked._replace(headers={**asked.headers, name: SPIFFE})
    decision = await judge(MTLS, asked, (CertificateAuthenticator(),))
    assert decision.reason.code == "certificate-missing"
