"""What the tests of ext_authz are made of: a policy, its issuer's keys, requests and tokens."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import api_key, condition, engine, policy
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.engine import Decision, Request
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.jwks import FileSource
from ext_authz.keyset import KeySet, connect
from ext_authz.policy import Jwks, Policy

NOW = 1_800_000_000
ISSUER = "https://id.example.com"
ADDRESS = "192.0.2.7"

RSA = rsa.generate_private_key(65537, 2048)
RSA_OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

AGENT_KEY, _AGENT = api_key.mint()
CUSTOMER_KEY, _CUSTOMER = api_key.mint()
FOREIGN_KEY = "an old key of another make"

OWN = condition.Compare(
    operator="==", left=condition.Fact(source="path", name="id"), right=condition.Fact(source="user", name="id")
)
POLICY = Policy(
    revision="r1",
    gateway="support",
    api_keys=policy.ApiKeys(
        header="x-api-key",
        static=(
            policy.StaticKey(id=_AGENT.id, sha256=_AGENT.sha256, user="alice", roles=("agent", "auditor"), plan="gold"),
            policy.StaticKey(id="shop", sha256=_CUSTOMER.sha256, user="42", roles=("customer",)),
            policy.StaticKey(id="legacy", sha256=api_key.digest(FOREIGN_KEY), user="old", roles=("agent",)),
        ),
    ),
    issuers=(
        policy.Issuer(
            name="staff",
            issuer=ISSUER,
            audiences=("support-api", "other-api"),
            algorithms=("RS256", "PS256", "ES256", "EdDSA"),
            jwks=Jwks(file="jwks.json"),
            plan_claim="plan",
            attributes={"region": "region"},
        ),
    ),
    routes={
        "open": policy.Route(public=True),
        "shut": policy.Route(),
        "any": policy.Route(rules=(policy.Rule(),)),
        "tickets": policy.Route(rules=(policy.Rule(methods=("GET", "POST"), roles=("admin", "agent")),)),
        "customer": policy.Route(
            path_template="/customers/{id}",
            rules=(
                policy.Rule(methods=("GET",), roles=("admin",)),
                policy.Rule(methods=("GET",), roles=("customer",), where=OWN),
            ),
        ),
    },
)


def public_jwk(key: Any, kid: str | None, **extra: Any) -> dict[str, Any]:
    by_type: dict[type, Any] = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    algorithm = next(by_type[kind] for kind in by_type if isinstance(key, kind))
    member: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True) | extra
    return member if kid is None else member | {"kid": kid}


def key_set(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


KEY_SET = key_set(public_jwk(RSA, "rsa"), public_jwk(EC, "ec"), public_jwk(ED, "ed"))


class PinnedSources:
    """Every issuer has the same source, and nothing runs in the background."""

    def __init__(self, source: Any) -> None:
        self.pinned = source

    def source(self, _: Jwks) -> Any:
        return self.pinned


def without_redis(directory: Path, keys: bytes = KEY_SET) -> tuple[ApiKeyAuthenticator, JwtAuthenticator]:
    """The real authenticators over a key set file; of the API keys only the static ones can be checked."""
    path = directory / "jwks.json"
    path.write_bytes(keys)
    sources: Any = PinnedSources(FileSource(path))
    keys_in_redis = KeySet(connect("redis://127.0.0.1:1/0"))
    return ApiKeyAuthenticator(keys_in_redis), JwtAuthenticator(sources, NothingRevoked())


def request(
    route: str = "tickets",
    *,
    method: str = "GET",
    path: str = "/tickets",
    revision: str = "r1",
    key: str | None = None,
    authorization: str | None = None,
    host: str = "",
) -> Request:
    headers = {"x-api-key": key, "authorization": authorization}
    sent = {name: value for name, value in headers.items() if value is not None}
    return Request(route, revision, method, path, sent, ADDRESS, "request-1", host=host)


async def outcome(
    authenticator: engine.Authenticator, rules: Policy, credential: str, now: float = NOW, address: str = ADDRESS
) -> Outcome:
    judged = authenticator.authenticate(rules, request()._replace(address=address), credential, now)
    return judged if isinstance(judged, Identity | Refusal) else await judged


async def judge(
    rules: Policy | None, asked: Request, authenticators: tuple[engine.Authenticator, ...], now: float = NOW
) -> Decision:
    case = engine.examine(rules, asked, authenticators)
    if isinstance(case, Decision):
        return case
    outcomes = [await outcome(one.authenticator, case.policy, one.credential, now) for one in case.presented]
    return engine.decide(case, outcomes)


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims for NOW; a change to None leaves the claim out."""
    good = {"iss": ISSUER, "aud": "support-api", "sub": "alice", "roles": ["agent"], "iat": NOW, "exp": NOW + 60}
    return {name: value for name, value in (good | changes).items() if value is not None}


def bearer(
    body: dict[str, Any] | bytes | None = None,
    *,
    key: Any = RSA,
    alg: str = "RS256",
    kid: str | None = "rsa",
    **header: Any,
) -> str:
    """``Bearer <token>`` as an issuer would sign it, whatever nonsense header and claims hold."""
    head = {"typ": "JWT", "alg": alg} | ({} if kid is None else {"kid": kid}) | header
    payload = body if isinstance(body, bytes) else json.dumps(claims() if body is None else body).encode()
    return compact(head, payload, lambda data: jwt.algorithms.get_default_algorithms()[alg].sign(data, key))


def compact(header: dict[str, Any] | bytes, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = encoded(head) + b"." + encoded(payload)
    return "Bearer " + (data + b"." + encoded(sign(data))).decode()


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def check_request(asked: Request) -> bytes:
    """The request as Envoy would send it."""
    message = external_auth_pb2.CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = asked.address
    attributes.context_extensions.update({"route": asked.route, "revision": asked.revision})
    http = attributes.request.http
    http.method, http.path, http.host = asked.method, asked.path, asked.host
    http.headers.update({"x-request-id": asked.request_id} | dict(asked.headers))
    serialized: bytes = message.SerializeToString()
    return serialized


async def eventually(condition: Callable[[], Any], seconds: float = 5) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
