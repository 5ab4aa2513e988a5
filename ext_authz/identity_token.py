"""The signed identity header: who is calling, as a JWT (RFC 7519) that an upstream can verify without asking.

Signed with ES256 (RFC 7518 section 3.4) by the first key of a file that the operator keeps; every key of the file is
published, so a new one is known before it signs and an old one for as long as its tokens live.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ext_authz import reasons, telemetry
from ext_authz.engine import Decision
from ext_authz.identity import Identity
from ext_authz.lru import Lru
from ext_authz.policy import IdentityToken, Policy
from ext_authz.watched_file import WatchedFile

log = logging.getLogger(__name__)

ALGORITHM = "ES256"
CACHE_CAPACITY = 10_000
FILE_SECONDS = 1.0
"""How often the file of keys is looked at."""
_PEM = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


class SigningKey(NamedTuple):
    """A private key and the public member (RFC 7517) that verifies what it signed; ``kid`` as in RFC 7638."""

    key: ec.EllipticCurvePrivateKey
    kid: str
    public: dict[str, str]


def read_keys(pem: bytes) -> tuple[SigningKey, ...]:
    """The private keys of a PEM file (RFC 7468), in its order. Raises ValueError, with a text safe to log.

    Each has to be an EC key on P-256, and not encrypted.
    """
    keys: list[SigningKey] = []
    for block in _PEM.finditer(pem):
        try:
            key = serialization.load_pem_private_key(block[0], password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
            raise ValueError("the file holds a private key that cannot be read") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("the file holds a private key that is not an EC key on P-256")
        keys.append(_signing_key(key))
    if not keys:
        raise ValueError("the file holds no private key")
    return tuple(keys)


def _signing_key(key: ec.EllipticCurvePrivateKey) -> SigningKey:
    member = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    needed = {name: str(member[name]) for name in ("crv", "kty", "x", "y")}
    thumbprint = hashlib.sha256(json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return SigningKey(key, kid, {**needed, "kid": kid, "use": "sig", "alg": ALGORITHM})


class IdentityKeys:
    """The keys of a file, which may be replaced at any time; the last good ones stay in force.

    None for a path, or a file that was never good: no keys.
    """

    def __init__(self, path: Path | None) -> None:
        self.keys: tuple[SigningKey, ...] = ()
        self._file = WatchedFile(path) if path is not None else None
        self.refresh()

    def refresh(self) -> None:
        """Read the file if it has changed. Never raises."""
        if self._file is None or not self._file.changed():
            return
        try:
            self.keys = read_keys(self._file.path.read_bytes())
        except (OSError, ValueError) as error:
            why = type(error).__name__ if isinstance(error, OSError) else str(error)
            log.error("identity keys not loaded", extra={"file": str(self._file.path), "error": why})
        else:
            log.info("identity keys loaded", extra={"keys": len(self.keys), "signs": self.keys[0].kid})

    def jwks(self) -> dict[str, Any]:
        """All public halves as a key set (RFC 7517 section 5), after a look at the file."""
        self.refresh()
        return {"keys": [key.public for key in self.keys]}

    @classmethod
    def throw_away(cls) -> "IdentityKeys":
        """A key that nobody knows, for a rehearsal."""
        made = cls(None)
        made.keys = (_signing_key(ec.generate_private_key(ec.SECP256R1())),)
        return made


class _Signed(NamedTuple):
    token: str
    kid: str
    signed_at: float
    fresh_until: float


class IdentityTokens:
    """Hands out signed identities; one is used again until half of its lifetime is over."""

    def __init__(self, keys: IdentityKeys) -> None:
        self._keys = keys
        self._signed: Lru[tuple[object, ...], _Signed] = Lru(CACHE_CAPACITY)

    def vouch(self, rules: Policy, decision: Decision, now: float) -> Decision:
        """The decision with the caller's token, when the policy wants one and there is a caller who may pass.

        Without a key it becomes a refusal. ``now`` is in Unix seconds.
        """
        if rules.identity_token is None or not decision.allow or decision.identity is None:
            return decision
        if not self._keys.keys:
            telemetry.IDENTITY_TOKENS.labels("no_key").inc()
            return decision._replace(allow=False, reason=reasons.IDENTITY_KEY_MISSING, taken=())
        return decision._replace(identity_token=self._token(rules.identity_token, decision.identity, now))

    def _token(self, wanted: IdentityToken, caller: Identity, now: float) -> str:
        key = self._keys.keys[0]
        at = (wanted.issuer, wanted.audiences, wanted.lifetime_seconds, caller[:3], caller.method)
        signed = self._signed.get(at)
        if signed is not None and signed.kid == key.kid and signed.signed_at <= now < signed.fresh_until:
            telemetry.IDENTITY_TOKENS.labels("cached").inc()
            return signed.token
        token = _sign(wanted, caller, key, int(now))
        signed = _Signed(token, key.kid, signed_at=now, fresh_until=now + wanted.lifetime_seconds / 2)
        self._signed.put(at, signed)
        telemetry.IDENTITY_TOKENS.labels("signed").inc()
        return signed.token


def _sign(wanted: IdentityToken, caller: Identity, key: SigningKey, now: int) -> str:
    """No ``jti``: a token stands for a caller and not for a request, so it serves many."""
    found = {
        "iss": wanted.issuer,
        "sub": caller.user,
        "aud": list(wanted.audiences),
        "iat": now,
        "exp": now + wanted.lifetime_seconds,
        "roles": list(caller.roles),
        "auth_method": caller.method,
    } | ({"plan": caller.plan} if caller.plan is not None else {})
    return jwt.PyJWS().encode(
        json.dumps(found, separators=(",", ":")).encode(),
        key.key,
        algorithm=ALGORITHM,
        headers={"kid": key.kid, "typ": "JWT"},
    )


@contextlib.asynccontextmanager
async def follow_keys(path: Path | None) -> AsyncIterator[IdentityKeys]:
    """The keys of a file, looked at once a second for as long as the block lasts."""
    keys = IdentityKeys(path)

    async def follow() -> None:
        while True:
            await asyncio.sleep(FILE_SECONDS)
            keys.refresh()

    following = asyncio.create_task(follow()) if path is not None else None
    try:
        yield keys
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
