"""Tokens that must never be accepted, by what is wrong with them, and the reason that is given."""

import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from tests.ext_authz.worlds import EC, ED, NOW, RSA, RSA_OTHER, bearer, claims, compact, encoded, public_jwk

HS256 = {"typ": "JWT", "alg": "HS256", "kid": "rsa"}
GOOD = json.dumps(claims()).encode()


def hmac_with(secret: bytes, header: dict[str, Any] | None = None) -> str:
    return compact(header or HS256, GOOD, lambda data: hmac.digest(secret, data, hashlib.sha256))


def rsa_pem() -> bytes:
    return RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw(payload: str) -> str:
    return bearer(payload.encode())


def tampered(token: str) -> str:
    head, _, signature = token.removeprefix("Bearer ").split(".")
    return f"Bearer {head}.{encoded(json.dumps(claims(sub='admin')).encode()).decode()}.{signature}"


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


def twice_alg() -> str:
    """Signed, so that a reader who takes the first one is happy."""
    head = b'{"alg": "RS256", "kid": "rsa", "alg": "RS256"}'
    return compact(head, GOOD, lambda data: jwt.algorithms.get_default_algorithms()["RS256"].sign(data, RSA))


HOSTILE = {
    # not a JWT at all
    "empty": ("", "scheme-unsupported"),
    "scheme only": ("Bearer", "scheme-unsupported"),
    "scheme and space": ("Bearer ", "token-malformed"),
    "basic": ("Basic YTpi", "scheme-unsupported"),
    "no scheme": (bearer().removeprefix("Bearer "), "scheme-unsupported"),
    "tab": (bearer().replace(" ", "\t"), "scheme-unsupported"),
    "two dots": ("Bearer ..", "token-malformed"),
    "two parts": ("Bearer a.b", "token-malformed"),
    "five parts (JWE)": ("Bearer a.b.c.d.e", "token-malformed"),
    "garbage": ("Bearer a.b.c", "token-malformed"),
    "padding": (bearer() + "=", "token-malformed"),
    "trailing space": (bearer() + " ", "token-malformed"),
    "newline": (bearer() + "\n", "token-malformed"),
    "standard alphabet": (bearer()[:-4] + "+/+/", "token-malformed"),
    "beyond ascii": (bearer()[:-1] + "é", "token-malformed"),
    "lone surrogate": ("Bearer \ud800.a.b", "token-malformed"),
    "oversize": (bearer(claims(pad="x" * 8192)), "token-too-large"),
    "a megabyte": ("Bearer " + "a" * 2**20, "token-too-large"),
    "header is a list": (compact(b"[]", GOOD, lambda _: b"x"), "token-malformed"),
    "header too deep": (compact(b"[" * 3000, GOOD, lambda _: b"x"), "token-malformed"),
    "claims are a list": (raw("[]"), "token-malformed"),
    "claims too deep": (raw('{"a":' + "[" * 3000), "token-malformed"),
    "claims a little too deep": (raw(json.dumps(claims() | {"a": nested(16)})), "token-malformed"),
    "header a little too deep": (bearer(a=nested(16)), "token-malformed"),
    "a claim twice": (raw(json.dumps(claims())[:-1] + ', "sub": "admin"}'), "token-malformed"),
    "a claim twice, once escaped": (raw(json.dumps(claims())[:-1] + ', "s\\u0075b": "admin"}'), "token-malformed"),
    "a member twice, deep in a claim": (
        raw(json.dumps(claims())[:-1] + ', "a": [{"b": {"c": 1, "c": 2}}]}'),
        "token-malformed",
    ),
    "alg twice": (twice_alg(), "token-malformed"),
    "claims in UTF-16": (bearer(json.dumps(claims()).encode("utf-16")), "token-malformed"),
    "claims after a byte order mark": (bearer(b"\xef\xbb\xbf" + GOOD), "token-malformed"),
    "claims not UTF-8": (bearer(b"\xff\xfe"), "token-malformed"),
    "a number of 5000 digits": (raw('{"exp":' + "9" * 5000 + "}"), "token-malformed"),
    # algorithms
    "none": (compact({"alg": "none"}, GOOD, lambda _: b"x"), "token-algorithm"),
    "None": (compact({"alg": "None"}, GOOD, lambda _: b"x"), "token-algorithm"),
    "nOnE": (compact({"alg": "nOnE"}, GOOD, lambda _: b"x"), "token-algorithm"),
    "none without signature": (compact({"alg": "none"}, GOOD, lambda _: b""), "token-malformed"),
    "no alg": (compact({"kid": "rsa"}, GOOD, lambda _: b"x"), "token-algorithm"),
    "alg is a number": (compact({"alg": 1}, GOOD, lambda _: b"x"), "token-algorithm"),
    "alg is a list": (compact({"alg": ["RS256"]}, GOOD, lambda _: b"x"), "token-algorithm"),
    "HS256 signed with the RSA PEM": (hmac_with(rsa_pem()), "token-algorithm"),
    "HS256 signed with the JWK": (hmac_with(json.dumps(public_jwk(RSA, "rsa")).encode()), "token-algorithm"),
    "HMAC said to be RS256": (hmac_with(rsa_pem(), {"alg": "RS256", "kid": "rsa"}), "token-signature"),
    "RS512 is not listed": (bearer(alg="RS512"), "token-algorithm"),
    "rs256": (compact({"alg": "rs256", "kid": "rsa"}, GOOD, lambda _: b"x"), "token-algorithm"),
    "RS256 with an EC key": (bearer(kid="ec"), "token-algorithm"),
    "ES256 with an RSA key": (bearer(key=EC, alg="ES256", kid="rsa"), "token-algorithm"),
    "EdDSA with an RSA key": (bearer(key=ED, alg="EdDSA", kid="rsa"), "token-algorithm"),
    # header parameters
    "crit": (bearer(crit=["exp"]), "token-header-forbidden"),
    "crit empty": (bearer(crit=[]), "token-header-forbidden"),
    "crit that the library knows": (bearer(crit=["b64"], b64=True), "token-header-forbidden"),
    "b64": (bearer(b64=True), "token-header-forbidden"),
    "jku": (bearer(jku="https://evil.example/jwks"), "token-header-forbidden"),
    "x5u": (bearer(x5u="https://evil.example/x"), "token-header-forbidden"),
    "x5c": (bearer(x5c=["AAAA"]), "token-header-forbidden"),
    "embedded jwk": (bearer(key=RSA_OTHER, jwk=public_jwk(RSA_OTHER, "rsa")), "token-header-forbidden"),
    "zip": (bearer(zip="DEF"), "token-header-forbidden"),
    # which key
    "no kid": (bearer(kid=None), "token-key-unknown"),
    "unknown kid": (bearer(kid="other"), "token-key-unknown"),
    "kid of a path": (bearer(kid="../../dev/null"), "token-key-unknown"),
    "kid of SQL": (bearer(kid="' OR 1=1 --"), "token-key-unknown"),
    "kid is a number": (bearer(kid=7), "token-malformed"),  # type: ignore[arg-type]
    "kid is a list": (bearer(kid=["rsa"]), "token-malformed"),  # type: ignore[arg-type]
    # signature
    "signed by a stranger": (bearer(key=RSA_OTHER), "token-signature"),
    "claims replaced": (tampered(bearer()), "token-signature"),
    "ES256 of zeros": (compact({"alg": "ES256", "kid": "ec"}, GOOD, lambda _: bytes(64)), "token-signature"),
    "ES256 of wrong length": (compact({"alg": "ES256", "kid": "ec"}, GOOD, lambda _: b"x"), "token-signature"),
    "EdDSA of zeros": (compact({"alg": "EdDSA", "kid": "ed"}, GOOD, lambda _: bytes(64)), "token-signature"),
    # issuer
    "no issuer": (bearer(claims(iss=None)), "token-issuer-unknown"),
    "another issuer": (bearer(claims(iss="https://evil.example")), "token-issuer-unknown"),
    "part of the issuer": (bearer(claims(iss="https://id.example")), "token-issuer-unknown"),
    "issuer with a slash": (bearer(claims(iss="https://id.example.com/")), "token-issuer-unknown"),
    "issuer in a list": (bearer(claims(iss=["https://id.example.com"])), "token-issuer-unknown"),
    # audience
    "no audience": (bearer(claims(aud=None)), "token-audience"),
    "another audience": (bearer(claims(aud="billing")), "token-audience"),
    "part of the audience": (bearer(claims(aud="support")), "token-audience"),
    "no audience of ours in the list": (bearer(claims(aud=["a", "b"])), "token-audience"),
    "empty audience list": (bearer(claims(aud=[])), "token-audience"),
    "audience is a number": (bearer(claims(aud=1)), "token-claims"),
    "audience is null": (raw(json.dumps(claims() | {"aud": None})), "token-claims"),
    "audience list with a number": (bearer(claims(aud=["support-api", 1])), "token-claims"),
    # times
    "no exp": (bearer(claims(exp=None)), "token-claims"),
    "exp is null": (raw(json.dumps(claims() | {"exp": None})), "token-claims"),
    "exp is text": (bearer(claims(exp=str(NOW + 60))), "token-claims"),
    "exp is true": (bearer(claims(exp=True)), "token-claims"),
    "exp is infinite": (raw(json.dumps(claims()).replace(str(NOW + 60), "1e400")), "token-claims"),
    "exp is not a number": (bearer(claims(exp=float("nan"))), "token-malformed"),
    "expired": (bearer(claims(exp=NOW - 30)), "token-expired"),
    "expired long ago": (bearer(claims(exp=-1)), "token-expired"),
    "nbf in the future": (bearer(claims(nbf=NOW + 31)), "token-not-yet-valid"),
    "nbf is text": (bearer(claims(nbf="0")), "token-claims"),
    "no iat": (bearer(claims(iat=None)), "token-claims"),
    "iat is null": (raw(json.dumps(claims() | {"iat": None})), "token-claims"),
    "valid for longer than a day": (bearer(claims(exp=NOW + 86_401)), "token-lifetime"),
    "valid for a day, and issued before": (bearer(claims(iat=NOW - 1, exp=NOW + 86_400)), "token-lifetime"),
    "exp in another age of the universe": (bearer(claims(exp=10**400)), "token-lifetime"),
    "exp in another age, iat no whole number": (bearer(claims(exp=10**400, iat=0.5)), "token-lifetime"),
    "issued before time began": (bearer(claims(iat=-(10**400))), "token-lifetime"),
    "iat in the future": (bearer(claims(iat=NOW + 31)), "token-not-yet-valid"),
    "iat is a list": (bearer(claims(iat=[])), "token-claims"),
    "jti is a number": (bearer(claims(jti=1)), "token-claims"),
    "jti is null": (raw(json.dumps(claims() | {"jti": None})), "token-claims"),
    # user, roles, plan, attributes
    "no sub": (bearer(claims(sub=None)), "token-claims"),
    "sub is null": (raw(json.dumps(claims() | {"sub": None})), "token-claims"),
    "sub empty": (bearer(claims(sub="")), "token-claims"),
    "sub is a number": (bearer(claims(sub=42)), "token-claims"),
    "sub is a list": (bearer(claims(sub=["alice"])), "token-claims"),
    "sub of 257 characters": (bearer(claims(sub="x" * 257)), "token-claims"),
    "sub with a newline": (bearer(claims(sub="alice\r\nx-gate-roles: admin")), "token-claims"),
    "sub with a NUL": (bearer(claims(sub="alice\0")), "token-claims"),
    "sub with a comma": (bearer(claims(sub="alice,admin")), "token-claims"),
    "sub with outer spaces": (bearer(claims(sub=" alice ")), "token-claims"),
    "sub is a lone surrogate": (bearer(claims(sub="\ud800")), "token-claims"),
    "sub stands for nobody": (bearer(claims(sub="-")), "token-claims"),
    "roles are an object": (bearer(claims(roles={"admin": True})), "token-claims"),
    "roles are a number": (bearer(claims(roles=1)), "token-claims"),
    "a role is a number": (bearer(claims(roles=["agent", 1])), "token-claims"),
    "a role is a list": (bearer(claims(roles=[["admin"]])), "token-claims"),
    "a role with a comma": (bearer(claims(roles=["agent,admin"])), "token-claims"),
    "a role with a comma in text": (bearer(claims(roles="agent,admin")), "token-claims"),
    "an empty role": (bearer(claims(roles=[""])), "token-claims"),
    "plan is a number": (bearer(claims(plan=1)), "token-claims"),
    "attribute is an object": (bearer(claims(region={})), "token-claims"),
    "attribute is true": (bearer(claims(region=True)), "token-claims"),
}
