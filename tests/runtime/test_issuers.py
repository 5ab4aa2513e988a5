import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from ext_authz import claims, jwk_set
from ext_authz.policy import Issuer
from gatectl.compiler import compile_spec
from gatectl.compiler.names import local_jwks_file, local_signing_key_file
from gatectl.diagnostics import GatectlError
from gatectl.runtime.issuers import ensure_local_issuers, local_issuer, mint_token
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
