import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext_authz import jwks as jwks_module
from ext_authz.authenticators import jwt as authenticator_module
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.identity import Identity, Refusal
from ext_authz.jwks import FileSource
from ext_authz.policy import Issuer, Jwks, Policy
from tests.ext_authz.hostile_tokens import GOOD, HOSTILE, nested
from tests.ext_authz.worlds import (
    EC,
    ED,
    KEY_SET,
    NOW,
    POLICY,
    RSA,
    RSA_OTHER,
    PinnedSources,
    bearer,
    claims,
    compact,
    key_set,
    outcome,
    public_jwk,
    request,
    without_redis,
)


def with_issuer(**changes: Any) -> Policy:
    return POLICY.model_copy(update={"issuers": (POLICY.issuers[0].model_copy(update=changes),)})


@pytest.mark.parametrize(
    ("alg", "kid", "key"),
    [("RS256", "rsa", RSA), ("PS256", "rsa", RSA), ("ES256", "ec", EC), ("EdDSA", "ed", ED)],
)
async def test_a_good_token_makes_its_user_known(tmp_path: Path, alg: str, kid: str, key: Any) -> None:
    tokens = without_redis(tmp_path)[1]
    token = bearer(claims(plan="gold", region="eu", roles=["agent", "admin"]), key=key, alg=alg, kid=kid)
    expected = Identity("alice", ("agent", "admin"), "gold", {"region": "eu"}, "jwt")
    assert await outcome(tokens, POLICY, token) == expected
    assert await outcome(tokens, POLICY, token) == expected  # now out of memory


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_is_refused(tmp_path: Path, name: str) -> None:
    token, reason = HOSTILE[name]
    judged = await outcome(without_redis(tmp_path)[1], POLICY, token)
    assert isinstance(judged, Refusal)
    assert judged.reason.code == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["x", "other-api"]},
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"exp": NOW + 86_400},
        {"iat": NOW - 86_000, "exp": NOW + 400},
        {"nbf": NOW + 30},
        {"iat": NOW + 30},
        {"sub": "x" * 256},
        {"sub": "José Ñ"},
        {"jti": "x"},
        {"deep": nested(15)},
    ],
)
async def test_what_lies_within_the_limits_is_accepted(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert isinstance(await outcome(without_redis(tmp_path)[1], POLICY, bearer(claims(**changes))), Identity)


@pytest.mark.parametrize(
    ("value", "roles"),
    [("agent", ("agent",)), ("agent admin", ("agent", "admin")), ("", ()), ([], ()), (["a b"], ("a b",)), (None, ())],
)
async def test_roles_are_a_list_or_words(tmp_path: Path, value: Any, roles: tuple[str, ...]) -> None:
    judged = await outcome(without_redis(tmp_path)[1], POLICY, bearer(claims(roles=value)))
    assert isinstance(judged, Identity)
    assert judged.roles == roles


async def test_claims_are_found_by_their_name_or_by_a_dotted_path(tmp_path: Path) -> None:
    policy = with_issuer(
        user_claim="https://example.com/user", roles_claim="realm.roles", attributes={"id": "a.b", "n": "n"}
    )
    body = claims(realm={"roles": ["x"]}, a={"b": "1"}, n=7) | {"https://example.com/user": "u"}
    judged = await outcome(without_redis(tmp_path)[1], policy, bearer(body))
    assert judged == Identity("u", ("x",), None, {"id": "1", "n": "7"}, "jwt")
    no_roles = with_issuer(roles_claim=None)
    judged = await outcome(without_redis(tmp_path)[1], no_roles, bearer())
    assert isinstance(judged, Identity)
    assert judged.roles == ()


@pytest.mark.parametrize("kid", [None, "rsa"])
async def test_a_set_of_one_key_needs_no_kid(tmp_path: Path, kid: str | None) -> None:
    for name in (None, "rsa"):
        tokens = without_redis(tmp_path, key_set(public_jwk(RSA, name)))[1]
        assert isinstance(await outcome(tokens, POLICY, bearer(kid=kid)), Identity)


async def test_the_key_may_narrow_the_algorithm(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path, key_set(public_jwk(RSA, "rsa", alg="PS256")))[1]
    assert isinstance(await outcome(tokens, POLICY, bearer(alg="PS256")), Identity)
    judged = await outcome(tokens, POLICY, bearer(alg="RS256"))
    assert isinstance(judged, Refusal)
    assert judged.reason.code == "token-algorithm"


async def test_the_user_of_a_token_is_named_in_a_refusal_only_once_the_signature_was_verified(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path)[1]
    expired = await outcome(tokens, POLICY, bearer(claims(exp=1)))
    forged = await outcome(tokens, POLICY, bearer(claims(exp=1), key=RSA_OTHER))
    assert isinstance(expired, Refusal)
    assert isinstance(forged, Refusal)
    assert expired.identity
    assert (expired.identity.user, forged.identity) == ("alice", None)


async def test_without_a_key_set_nothing_can_be_decided(tmp_path: Path) -> None:
    sources: Any = PinnedSources(FileSource(tmp_path / "none.json"))
    judged = await outcome(JwtAuthenticator(sources, NothingRevoked()), POLICY, bearer())
    assert isinstance(judged, Refusal)
    assert (judged.reason.code, judged.reason.status) == ("issuer-keys-unavailable", 503)


async def test_a_signature_is_verified_once_and_the_clock_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, token = without_redis(tmp_path)[1], bearer()
    assert isinstance(await outcome(tokens, POLICY, token), Identity)
    monkeypatch.setattr(authenticator_module, "_JWS", None)
    assert isinstance(await outcome(tokens, POLICY, token), Identity)
    judged = await outcome(tokens, POLICY, token, NOW + 90)
    assert isinstance(judged, Refusal)
    assert judged.reason.code == "token-expired"


async def test_a_verified_token_is_forgotten_when_the_policy_or_the_keys_change(tmp_path: Path) -> None:
    tokens, token = without_redis(tmp_path)[1], bearer()
    assert isinstance(await outcome(tokens, POLICY, token), Identity)
    stricter = with_issuer(audiences=("billing",))
    judged = await outcome(tokens, stricter, token)
    assert isinstance(judged, Refusal)
    assert judged.reason.code == "token-audience"

    assert isinstance(await outcome(tokens, POLICY, token), Identity)
    (tmp_path / "jwks.json").write_bytes(key_set(public_jwk(RSA_OTHER, "rsa")))
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    judged = await outcome(tokens, POLICY, token)
    assert isinstance(judged, Refusal)
    assert judged.reason.code == "token-signature"


async def test_two_issuers_do_not_vouch_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(key_set(public_jwk(RSA_OTHER, "rsa")))
    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    sources = {"jwks.json": FileSource(tmp_path / "jwks.json"), "other.json": FileSource(path)}

    class ByName:
        def source(self, jwks: Any) -> FileSource:
            return sources[jwks.file]

    first = POLICY.issuers[0]
    second = Issuer(**(first.model_dump() | {"issuer": "https://two.example.com", "jwks": {"file": "other.json"}}))
    policy = POLICY.model_copy(update={"issuers": (first, second)})
    by_name: Any = ByName()
    tokens = JwtAuthenticator(by_name, NothingRevoked())
    for body, key, good in (
        (claims(), RSA, True),
        (claims(iss="https://two.example.com"), RSA_OTHER, True),
        (claims(), RSA_OTHER, False),
        (claims(iss="https://two.example.com"), RSA, False),
    ):
        assert isinstance(await outcome(tokens, policy, bearer(body, key=key)), Identity) is good


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "roles", "plan", "region"]) | st.text()


@given(changes=st.dictionaries(NAMES, JSON, max_size=4))
async def test_no_signed_claims_make_it_fail_and_what_it_accepts_fits_into_headers(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    tokens = without_redis(tmp_path_factory.getbasetemp())[1]
    judged = await outcome(tokens, POLICY, bearer(json.dumps(claims() | changes).encode()))
    if isinstance(judged, Identity):
        for value in (judged.user, *judged.roles, *([judged.plan] if judged.plan else [])):
            assert value.isprintable()
            assert "," not in value


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]) | st.text(), JSON))
async def test_no_unsigned_token_is_ever_accepted(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any]
) -> None:
    tokens = without_redis(tmp_path_factory.getbasetemp())[1]
    token = compact({"alg": "RS256", "kid": "rsa"} | header, GOOD, lambda _: bytes(256))
    assert isinstance(await outcome(tokens, POLICY, token), Refusal)


def test_the_library_is_new_enough_to_be_trusted() -> None:
    assert tuple(map(int, jwt.__version__.split(".")[:2])) >= (2, 14)


async def reason(tokens: JwtAuthenticator, token: str, policy: Policy = POLICY, now: float = NOW) -> str:
    judged = await outcome(tokens, policy, token, now)
    return judged.reason.code if isinstance(judged, Refusal) else "accepted"


async def test_a_forged_token_costs_one_signature_check_until_policy_or_keys_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, forged = without_redis(tmp_path)[1], bearer(key=RSA_OTHER)
    checked: list[str] = []

    class Counting(jwt.PyJWS):
        def decode(self, token: str, *arguments: Any, **options: Any) -> Any:
            checked.append(token)
            return super().decode(token, *arguments, **options)

    monkeypatch.setattr(authenticator_module, "_JWS", Counting())
    assert [await reason(tokens, forged) for _ in range(3)] == ["token-signature"] * 3
    assert len(checked) == 1
    assert await reason(tokens, forged, with_issuer(leeway_seconds=1)) == "token-signature"
    assert len(checked) == 2
    (tmp_path / "jwks.json").write_bytes(key_set(public_jwk(RSA_OTHER, "rsa")))
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    assert await reason(tokens, forged) == "accepted"


async def test_a_flood_of_forged_tokens_is_remembered_in_bounds_and_pushes_no_good_one_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator_module, "CACHE_CAPACITY", 10)
    tokens, good = without_redis(tmp_path)[1], bearer(key=ED, alg="EdDSA", kid="ed")
    assert await reason(tokens, good) == "accepted"
    for index in range(50):
        forged = bearer(claims(jti=str(index)), key=ED, alg="EdDSA", kid="ed")
        assert await reason(tokens, forged[:-4] + ("AAAA" if forged[-4:] != "AAAA" else "BBBB")) == "token-signature"
    assert len(tokens._forged._entries) == 10
    monkeypatch.setattr(authenticator_module, "_JWS", None)
    assert await reason(tokens, good) == "accepted"


async def test_a_set_that_says_the_same_leaves_verified_tokens_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = without_redis(tmp_path)[1]
    assert await reason(tokens, bearer()) == "accepted"
    (tmp_path / "jwks.json").write_bytes(KEY_SET + b"\n")
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    monkeypatch.setattr(authenticator_module, "_JWS", None)
    assert await reason(tokens, bearer()) == "accepted"


async def test_a_token_is_refused_as_soon_as_its_key_has_left_the_set(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path)[1]
    assert await reason(tokens, bearer()) == "accepted"
    (tmp_path / "jwks.json").write_bytes(key_set(public_jwk(EC, "ec")))
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    assert await reason(tokens, bearer()) == "token-key-unknown"


async def test_an_expired_token_is_forgotten(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path)[1]
    assert await reason(tokens, bearer()) == "accepted"
    assert await reason(tokens, bearer(), now=NOW + 100) == "token-expired"
    assert not tokens._verified._entries


async def test_keys_that_could_not_be_read_for_too_long_are_not_used_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = without_redis(tmp_path)[1]
    patient, strict = (with_issuer(jwks=Jwks(file="jwks.json", max_stale_seconds=s)) for s in (3600, 60))
    later = time.monotonic() + 61
    assert await reason(tokens, bearer(), strict) == "accepted"
    (tmp_path / "jwks.json").write_bytes(b"broken")
    monkeypatch.setattr(jwks_module.time, "monotonic", lambda: later)
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    assert await reason(tokens, bearer(), strict) == "issuer-keys-unavailable"
    assert await reason(tokens, bearer(), patient) == "accepted"
    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    await tokens._sources.pinned.renew()  # type: ignore[attr-defined]
    assert await reason(tokens, bearer(), strict) == "accepted"


def test_two_values_are_told_apart_and_one_has_one_spelling(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path)[1]
    for sent, found in {
        "bEARER   a.b.c": ["Bearer a.b.c"],
        "Basic x": ["Basic x"],
        "bearer": ["bearer"],
        "bearer a, bearer b": ["bearer a", " bearer b"],
    }.items():
        assert list(tokens.find(POLICY, request(authorization=sent))) == found


async def test_of_a_verified_token_only_what_is_looked_at_again_is_remembered(tmp_path: Path) -> None:
    tokens = without_redis(tmp_path)[1]
    accepted = bearer(claims(jti="1", nbf=NOW, groups=[{}] * 1000))
    for _ in range(2):
        assert isinstance(await outcome(tokens, POLICY, accepted), Identity)
    [remembered] = tokens._verified._entries.values()
    assert remembered.claims == {"exp": NOW + 60, "iat": NOW, "nbf": NOW, "aud": "support-api", "jti": "1"}
