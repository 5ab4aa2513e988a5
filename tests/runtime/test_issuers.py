import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from ext_authz import claims, identity_token, jwk_set
from ext_authz.policy import Issuer
from gatectl.compiler import compile_spec
from gatectl.compiler.names import local_jwks_file, local_signing_key_file
from gatectl.diagnostics import GatectlError
from gatectl.runtime.issuers import ensure_identity_key, ensure_local_issuers, local_issuer, mint_token
from gatectl.spec.model import Spec


def spec_of(**issuer: Any) -> Spec:
    staff = {"name": "staff", "issuer": "https://id.example", "audiences": ["api"], "jwks": {"local": True}, **issuer}
    document = {
        "version": 1,
        "name": "shop",
        "authentication": {"jwt": [staff]},
        "upstreams": {"u": {"endpoints": ["127.0.0.1:1"]}},
        "routes": [{"name": "r", "match": {"path": "/"}, "upstream": "u", "access": "authenticated"}],
    }
    return Spec.model_validate_json(json.dumps(document))


def issuer_of(spec: Spec) -> Issuer:
    """The issuer as ext_authz knows it."""
    return compile_spec(spec).authz.issuers[0]


@pytest.mark.parametrize(
    ("allowed", "used"),
    [
        (["RS256", "ES256", "EdDSA"], "ES256"),
        (["RS256"], "RS256"),
        (["PS384", "RS256"], "PS384"),
        (["ES384"], "ES384"),
        (["ES512"], "ES512"),
        (["EdDSA"], "EdDSA"),
    ],
)
def test_a_minted_token_is_verified_by_the_published_keys(tmp_path: Path, allowed: list[str], used: str) -> None:
    spec = spec_of(
        algorithms=allowed,
        claims={"user": "sub", "roles": "realm.roles", "plan": "realm.plan", "attributes": {"tenant": "org.id"}},
    )
    ensure_local_issuers(spec, tmp_path)
    token = mint_token(spec, tmp_path, "staff", "alice", ("agent",), "pro", {"tenant": "acme"}, 60)
    [key] = jwk_set.parse((tmp_path / local_jwks_file("staff")).read_bytes())
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == (used, key.kid)
    payload = jwt.decode(token, key.key, algorithms=[used], audience="api", issuer="https://id.example")
    assert payload["exp"] - payload["iat"] == 60
    assert payload["nbf"] == payload["iat"]
    assert payload["realm"] == {"roles": ["agent"], "plan": "pro"}
    caller = claims.caller(issuer_of(spec), payload)
    assert caller is not None
    assert (caller.user, caller.roles, caller.plan) == ("alice", ("agent",), "pro")
    assert dict(caller.attributes) == {"tenant": "acme"}
    assert claims.invalid(issuer_of(spec), payload, payload["iat"]) is None


def test_both_files_are_for_the_owner_only_and_the_published_one_holds_no_secret(tmp_path: Path) -> None:
    ensure_local_issuers(spec_of(), tmp_path)
    for name in (local_signing_key_file("staff"), local_jwks_file("staff")):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    [member] = json.loads((tmp_path / local_jwks_file("staff")).read_bytes())["keys"]
    assert set(member) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_key_pair_that_is_there_stays(tmp_path: Path) -> None:
    ensure_local_issuers(spec_of(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "issuers").iterdir()}
    ensure_local_issuers(spec_of(), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "issuers").iterdir()} == before


@pytest.mark.parametrize("damage", ["", "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_or_unfitting_pair_is_replaced(tmp_path: Path, damage: str) -> None:
    ensure_local_issuers(spec_of(), tmp_path)
    (tmp_path / local_signing_key_file("staff")).write_text(damage)
    ensure_local_issuers(spec_of(), tmp_path)
    mint_token(spec_of(), tmp_path, "staff", "alice", (), None, {}, 60)
    changed = spec_of(algorithms=["EdDSA"])
    with pytest.raises(GatectlError, match="fits none of its algorithms"):
        mint_token(changed, tmp_path, "staff", "alice", (), None, {}, 60)
    ensure_local_issuers(changed, tmp_path)
    mint_token(changed, tmp_path, "staff", "alice", (), None, {}, 60)


def test_published_keys_that_got_lost_are_written_again(tmp_path: Path) -> None:
    ensure_local_issuers(spec_of(), tmp_path)
    jwks = tmp_path / local_jwks_file("staff")
    document = jwks.read_bytes()
    jwks.unlink()
    ensure_local_issuers(spec_of(), tmp_path)
    assert jwks.read_bytes() == document


@pytest.mark.parametrize(
    ("issuer", "wanted", "message"),
    [
        ({"claims": {"roles": None}}, {"roles": ("agent",)}, "no claim for roles"),
        ({}, {"plan": "pro"}, "no claim for plan"),
        ({}, {"attributes": {"tenant": "acme"}}, "no claim for attribute tenant"),
        ({"claims": {"plan": "sub"}}, {"plan": "pro"}, "claim sub is to hold plan and something else"),
        ({"claims": {"plan": "sub.plan"}}, {"plan": "pro"}, "claim sub.plan is to hold plan and something else"),
        ({"claims": {"user": "exp"}}, {}, "claim exp is to hold user and something else"),
    ],
)
def test_what_the_issuer_has_no_claim_for_is_refused(
    tmp_path: Path, issuer: dict[str, Any], wanted: dict[str, Any], message: str
) -> None:
    spec = spec_of(**issuer)
    ensure_local_issuers(spec, tmp_path)
    asked = {"roles": (), "plan": None, "attributes": {}, **wanted}
    with pytest.raises(GatectlError, match=message) as caught:
        mint_token(spec, tmp_path, "staff", "alice", **asked, lifetime_seconds=60)
    assert caught.value.exit_code == 64


def test_an_issuer_that_is_not_local_has_no_key_pair_here(tmp_path: Path) -> None:
    spec = spec_of(jwks={"url": "https://id.example/jwks"})
    ensure_local_issuers(spec, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GatectlError, match="no local issuer"):
        local_issuer(spec, None)


def test_the_only_local_issuer_needs_no_name_and_an_unknown_one_is_told() -> None:
    assert local_issuer(spec_of(), None).name == "staff"
    with pytest.raises(GatectlError, match='"stuff" is no local issuer; --issuer takes one of: staff'):
        local_issuer(spec_of(), "stuff")


def test_there_is_no_token_without_a_key_pair(tmp_path: Path) -> None:
    with pytest.raises(GatectlError, match="has no key pair"):
        mint_token(spec_of(), tmp_path, "staff", "alice", (), None, {}, 60)


def test_roles_that_come_by_a_mapping_are_minted_as_what_is_mapped_to_them(tmp_path: Path) -> None:
    mapped = [
        {"claim": "scope", "contains": "all", "roles": ["agent", "admin"]},
        {"claim": "scope", "contains": "read", "roles": ["agent"]},
        {"claim": "scope", "contains": "write", "roles": ["writer"]},
        {"claim": "staff", "equals": "true", "roles": ["staff"]},
        {"claim": "org", "equals": "acme", "roles": ["member"], "plan": "pro"},
    ]
    spec = spec_of(claims={"map": mapped})
    ensure_local_issuers(spec, tmp_path)
    for roles in (("agent",), ("writer", "agent"), ("staff",), ("admin", "agent", "staff"), ()):
        token = mint_token(spec, tmp_path, "staff", "alice", roles, None, {}, 60)
        caller = claims.caller(issuer_of(spec), jwt.decode(token, options={"verify_signature": False}))
        assert caller is not None
        assert (set(caller.roles), caller.plan) == (set(roles), None)
    for roles in (("admin",), ("member",), ("nobody",)):
        with pytest.raises(GatectlError, match="maps no claim"):
            mint_token(spec, tmp_path, "staff", "alice", roles, None, {}, 60)


def test_no_token_is_minted_that_the_gateway_would_refuse_for_its_lifetime(tmp_path: Path) -> None:
    spec = spec_of(max_lifetime="5m")
    ensure_local_issuers(spec, tmp_path)
    mint_token(spec, tmp_path, "staff", "alice", (), None, {}, 300)
    with pytest.raises(GatectlError, match="max_lifetime"):
        mint_token(spec, tmp_path, "staff", "alice", (), None, {}, 301)


def test_the_key_for_signed_identities_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = ensure_identity_key(tmp_path)
    [key] = identity_token.read_keys(path.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.kid for one in identity_token.read_keys(ensure_identity_key(tmp_path).read_bytes())] == [key.kid]
