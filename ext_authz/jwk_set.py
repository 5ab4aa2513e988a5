"""JSON Web Key Sets (RFC 7517): the public keys of an issuer, and what each may verify. No I/O."""

import json
from typing import Any, NamedTuple

import jwt

MAX_BYTES = 1 << 20
MAX_KEYS = 100
"""Reading them holds up every request for as long, and a token with an unknown ``kid`` is compared with each."""
MIN_RSA_BITS = 2048
"""NIST SP 800-131A."""

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_BY_CURVE = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""RFC 7518 section 6: private parts of EC, RSA and OKP keys, and the value of a symmetric (``oct``) one."""


class VerificationKey(NamedTuple):
    """A public key, its ``kid``, and the algorithms that fit its type (only its own ``alg``, if it names one)."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any


KeyRing = tuple[VerificationKey, ...]


def parse(document: bytes) -> KeyRing:
    """The usable keys of a set. Raises ValueError, with a text safe to log, when the set cannot be used.

    Keys of unknown type or other use are skipped, as RFC 7517 section 5 asks. A set with a secret in it (symmetric or
    private key) is refused whole: it was never meant to be published, so nothing in it can be trusted.
    """
    if len(document) > MAX_BYTES:
        raise ValueError("the key set is larger than 1 MiB")
    try:
        members = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not a JSON Web Key Set") from None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise ValueError("not a JSON Web Key Set")
    if len(members) > MAX_KEYS:
        raise ValueError(f"the key set holds more than {MAX_KEYS} keys")
    if not all(map(_SECRET_MEMBERS.isdisjoint, members)):
        raise ValueError("the key set holds a symmetric or private key")
    keys = tuple(key for key in map(_usable, members) if key is not None)
    if not keys:
        raise ValueError("the key set holds no usable key")
    return keys


def _usable(member: dict[str, Any]) -> VerificationKey | None:
    kty, crv, kid, alg = (member.get(name) for name in ("kty", "crv", "kid", "alg"))
    if not isinstance(kty, str) or not isinstance(crv, str | None) or not isinstance(kid, str | None):
        return None
    algorithms = _RSA if kty == "RSA" else _BY_CURVE.get((kty, crv or ""), frozenset())
    if alg is not None:
        algorithms &= {alg} if isinstance(alg, str) else frozenset()
    operations = member.get("key_ops", ["verify"])
    verifies = isinstance(operations, list) and "verify" in operations
    if not algorithms or member.get("use", "sig") != "sig" or not verifies:
        return None
    try:
        key = jwt.PyJWK(member, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kty == "RSA" and key.key_size < MIN_RSA_BITS:
        return None
    return VerificationKey(kid, algorithms, key)
