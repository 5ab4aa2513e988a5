import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import identity_token, rbac, reasons, service
from ext_authz.engine import Decision
from ext_authz.identity import Identity
from ext_authz.identity_token import IdentityKeys, IdentityTokens, read_keys
from ext_authz.policy import IdentityToken, Policy
from ext_authz.server import Authorization
from serving.endpoint import Endpoint
from serving.settings import Values
from tests.ext_authz.worlds import AGENT_KEY, NOW, POLICY, RSA, check_request, request, without_redis

WANTED = IdentityToken(issuer="https://gate.example", audiences=("tickets", "billing"), lifetime_seconds=60)
RULES = POLICY.model_copy(update={"identity_token": WANTED})
ALICE = Identity("alice", ("agent", "auditor"), "gold", {"tenant": "acme"}, "api_key", "k1")
GRANTED = Decision(allow=True, reason=reasons.GRANTED, identity=ALICE, method="api_key")
FIRST, SECOND = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def pem(key: Any, password: bytes | None = None, form: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    written: bytes = key.private_bytes(serialization.Encoding.PEM, form, lock)
    return written


def on_a_curve_nobody_knows() -> bytes:
    """A key that says it is on prime239v2 (RFC 3279), in place of P-256."""
    form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    der = FIRST.private_bytes(*form).replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030105"))
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.pem"
    path.write_bytes(pem(FIRST))
    return path


def token(tokens: IdentityTokens, now: float = NOW, caller: Identity = ALICE, rules: Policy = RULES) -> str:
    made = tokens.vouch(rules, GRANTED._replace(identity=caller), now)
    assert made.allow
    assert made.identity_token
    return made.identity_token


@pytest.fixture
def page(file: Path) -> Iterator[str]:
    """The service's HTTP side, as its parent process serves it."""
    endpoint = Endpoint(("127.0.0.1", 0), service.pages(Values(identity_key_file=file)))
    endpoint.start()
    yield f"http://127.0.0.1:{endpoint.port}{service.JWKS_PAGE}"
    endpoint.close()


def test_an_upstream_verifies_the_caller_by_the_published_keys(file: Path, page: str) -> None:
    made = token(IdentityTokens(IdentityKeys(file)), time.time())
    key = jwt.PyJWKClient(page).get_signing_key_from_jwt(made)
    found = jwt.decode(made, key, algorithms=["ES256"], audience="tickets", issuer="https://gate.example")
    assert found.pop("exp") - found.pop("iat") == 60
    assert found == {
        "iss": "https://gate.example",
        "aud": ["tickets", "billing"],
        "sub": "alice",
        "roles": ["agent", "auditor"],
        "plan": "gold",
        "auth_method": "api_key",
    }
    for changes in ({"audience": "other"}, {"issuer": "https://else.example"}):
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(made, key, algorithms=["ES256"], **({"audience": "tickets"} | changes))


def test_a_rotated_key_is_published_before_it_signs_and_after(file: Path, page: str) -> None:
    client, tokens = jwt.PyJWKClient(page, cache_jwk_set=False), IdentityTokens(keys := IdentityKeys(file))
    before = token(tokens)
    file.write_bytes(pem(FIRST) + pem(SECOND, form=serialization.PrivateFormat.TraditionalOpenSSL))
    keys.refresh()
    assert len(client.get_jwk_set().keys) == 2
    assert token(tokens) == before
    file.write_bytes(pem(SECOND) + b"a comment\n" + pem(FIRST))
    keys.refresh()
    after = token(tokens)
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    timeless = {"verify_exp": False, "verify_iat": False}
    for made in (before, after):
        key = client.get_signing_key_from_jwt(made)
        jwt.decode(made, key, algorithms=["ES256"], audience="tickets", options=timeless)


def test_the_page_tells_public_halves_only(file: Path) -> None:
    [member] = IdentityKeys(file).jwks()["keys"]
    assert set(member) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_token_serves_a_caller_until_half_of_its_life_and_nobody_else(file: Path) -> None:
    tokens = IdentityTokens(IdentityKeys(file))
    first = token(tokens)
    assert token(tokens, NOW + 29.9) == first
    assert token(tokens, NOW + 30) != first
    assert token(tokens, NOW - 1) != first  # the clock was set back
    first = token(tokens)
    others = [
        token(tokens, caller=ALICE._replace(user="bob")),
        token(tokens, caller=ALICE._replace(roles=("agent",))),
        token(tokens, caller=ALICE._replace(plan=None)),
        token(tokens, caller=ALICE._replace(method="jwt")),
        token(tokens, rules=RULES.model_copy(update={"identity_token": WANTED.model_copy(update={"issuer": "x"})})),
    ]
    assert len({first, *others}) == 6


def test_what_is_remembered_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_token, "CACHE_CAPACITY", 3)
    tokens = IdentityTokens(IdentityKeys(file))
    for index in range(10):
        token(tokens, caller=ALICE._replace(user=str(index)))
    assert len(tokens._signed._entries) == 3


def test_without_a_key_nobody_is_let_through_unsigned() -> None:
    shadow = rbac.Ruling(rbac.Grant(0, "agent"), shadow=rbac.Shadow((1,), allow=False))
    made = IdentityTokens(IdentityKeys(None)).vouch(RULES, GRANTED._replace(ruling=shadow), NOW)
    assert (made.allow, made.reason.status, made.reason.code) == (False, 503, "identity-key-missing")
    assert (made.identity_token, made.taken) == (None, ())
    assert made.ruling == shadow


@pytest.mark.parametrize(
    ("rules", "decision"),
    [
        (POLICY, GRANTED),
        (RULES, Decision(allow=True, reason=reasons.PUBLIC)),
        (RULES, Decision(allow=False, reason=reasons.ACCESS_DENIED, identity=ALICE)),
    ],
    ids=["not wanted", "nobody calls", "refused"],
)
def test_there_is_nothing_to_sign(file: Path, rules: Policy, decision: Decision) -> None:
    for keys in (IdentityKeys(None), IdentityKeys(file)):
        assert IdentityTokens(keys).vouch(rules, decision, NOW) == decision


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        pem(FIRST)[:-40],
        pem(RSA),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(FIRST, b"password"),
        pem(FIRST) + pem(RSA),
        FIRST.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        on_a_curve_nobody_knows(),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_file_of_no_use_is_refused_whole_and_the_last_good_keys_stay(file: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="the file holds"):
        read_keys(content)
    keys = IdentityKeys(file)
    good = keys.keys
    file.write_bytes(content)
    keys.refresh()
    file.unlink()
    keys.refresh()
    assert keys.keys is good
    assert IdentityKeys(file).keys == ()


class Book:
    def get(self, _: str) -> Policy:
        return RULES


@pytest.mark.parametrize(
    ("route", "key", "signed"),
    [("tickets", AGENT_KEY, True), ("open", AGENT_KEY, True), ("open", None, False)],
    ids=["a-rule", "public-with-a-key", "public"],
)
async def test_the_upstream_gets_the_gateways_token_and_never_one_of_the_client(
    tmp_path: Path, file: Path, route: str, key: str | None, signed: bool
) -> None:
    book: Any = Book()
    service = Authorization(book, without_redis(tmp_path), None, IdentityTokens(IdentityKeys(file)))
    asked = request(route, key=key)
    asked = asked._replace(headers={**asked.headers, "x-gate-identity": "forged"})
    ok = external_auth_pb2.CheckResponse.FromString(await service.check(check_request(asked))).ok_response
    sent = {option.header.key: option for option in ok.headers}
    assert ("x-gate-identity" in sent) is signed
    assert ("x-gate-identity" in ok.headers_to_remove) is not signed
    if signed:
        assert sent["x-gate-identity"].header.value.count(".") == 2
        assert sent["x-gate-identity"].append_action == sent["x-gate-identity"].OVERWRITE_IF_EXISTS_OR_ADD
