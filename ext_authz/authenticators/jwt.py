"""Signed JSON Web Tokens (RFC 7519, RFC 6750) in the Authorization header.

PyJWT parses and verifies; what it is asked to verify with is decided here, from the policy and the key's own type,
never from the token alone (RFC 8725).
"""

import hashlib
import re
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

import jwt

from ext_authz import claims, reasons
from ext_authz.authenticators.headers import header_values
from ext_authz.engine import Request, Taken
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.jwk_set import KeyRing, VerificationKey
from ext_authz.jwks import JwksSources, Source
from ext_authz.lru import Lru
from ext_authz.policy import Issuer, Policy
from ext_authz.reasons import Reason

MAX_BYTES = 8192
"""Largest token that is looked into at all."""
CACHE_CAPACITY = 10_000

_JWS = jwt.PyJWS()
_SCHEME = re.compile(r"(?i:bearer) +")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jku", "x5u", "x5c", "jwk", "zip", "enc"})
"""What would change how the token is to be read, or bring its own key."""


class _Verified(NamedTuple):
    """A token whose signature was verified with ``keys`` under ``policy``; both must still be in force."""

    policy: Policy
    source: Source
    keys: KeyRing
    issuer: Issuer
    claims: claims.Claims
    caller: Identity | None


class _UnknownKeyError(Exception):
    """The token names a key that its issuer's set does not hold (yet)."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source


class _RefusedError(Exception):
    """The token is refused for a reason that needs no claim to be believed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.refusal = Refusal(reason)


class JwtAuthenticator:
    """Bearer tokens of the policy's issuers. Signatures are verified once per token, policy and key set."""

    method = claims.METHOD
    ambient = False

    def __init__(self, sources: JwksSources) -> None:
        self._sources = sources
        self._verified: Lru[tuple[str, bytes], _Verified] = Lru(CACHE_CAPACITY)

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """The Authorization headers, of whatever scheme: a policy with issuers leaves it no other meaning."""
        return header_values(request.headers, "authorization") if policy.issuers else ()

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:
        """``Bearer realm="…"``, with the error of RFC 6750 section 3.1 when a token was refused."""
        if not policy.issuers:
            return None
        if refused is None:
            return f"Bearer realm={realm}"
        return f'Bearer realm={realm}, error="invalid_token", error_description="{refused.detail}"'

    def taken(self, policy: Policy, request: Request, *, used: bool) -> Taken:  # noqa: ARG002 - the same for all
        """Authorization, when it held the token that was accepted and the policy does not forward it."""
        return Taken(headers=("authorization",)) if used and not policy.forward_credentials else Taken()

    def authenticate(
        self,
        policy: Policy,
        request: Request,  # noqa: ARG002 - the credential says it all
        credential: str,
        now: float,
    ) -> Outcome | Awaitable[Outcome]:
        """Judge an Authorization header; an awaitable when the issuer may have a newer key set."""
        try:
            return self._judge(policy, credential, now)
        except _RefusedError as refused:
            return refused.refusal
        except _UnknownKeyError as unknown:
            return self._judge_again(policy, credential, now, unknown.source)

    async def _judge_again(self, policy: Policy, credential: str, now: float, source: Source) -> Outcome:
        await source.renew()
        try:
            return self._judge(policy, credential, now)
        except _RefusedError as refused:
            return refused.refusal
        except _UnknownKeyError:
            return Refusal(reasons.TOKEN_KEY_UNKNOWN)

    def _judge(self, policy: Policy, credential: str, now: float) -> Outcome:
        if len(credential) > MAX_BYTES + len("Bearer "):
            raise _RefusedError(reasons.TOKEN_TOO_LARGE)
        scheme = _SCHEME.match(credential)
        if scheme is None:
            raise _RefusedError(reasons.SCHEME_UNSUPPORTED)
        token = credential[scheme.end() :]
        if _COMPACT.fullmatch(token) is None:
            raise _RefusedError(reasons.TOKEN_MALFORMED)
        at = (policy.revision, hashlib.sha256(token.encode("ascii")).digest())
        verified = self._verified.get(at)
        if (
            verified is None
            or verified.policy is not policy
            or verified.keys is not verified.source.keys
            or verified.source is not self._sources.source(verified.issuer.jwks)
        ):
            verified = self._verify(policy, token)
            self._verified.put(at, verified)
        reason = claims.invalid(verified.issuer, verified.claims, now)
        if reason is not None:
            return Refusal(reason, verified.caller)
        return verified.caller or Refusal(reasons.TOKEN_CLAIMS)

    def _verify(self, policy: Policy, token: str) -> _Verified:
        """Raises _RefusedError or _UnknownKeyError."""
        header, payload = _unverified(token)
        if not _FORBIDDEN_HEADERS.isdisjoint(header):
            raise _RefusedError(reasons.TOKEN_HEADER_FORBIDDEN)
        issuer = next((issuer for issuer in policy.issuers if issuer.issuer == payload.get("iss")), None)
        if issuer is None:
            raise _RefusedError(reasons.TOKEN_ISSUER_UNKNOWN)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
            raise _RefusedError(reasons.TOKEN_ALGORITHM)
        source = self._sources.source(issuer.jwks)
        if source is None or source.keys is None:
            raise _RefusedError(reasons.ISSUER_KEYS_UNAVAILABLE)
        keys = source.keys
        kid = header.get("kid")
        key = _select(keys, kid)
        if key is None:
            raise _UnknownKeyError(source) if kid is not None else _RefusedError(reasons.TOKEN_KEY_UNKNOWN)
        if algorithm not in key.algorithms:
            raise _RefusedError(reasons.TOKEN_ALGORITHM)
        try:
            _JWS.decode(token, key.key, algorithms=[algorithm])
        except jwt.PyJWTError as error:
            raise _RefusedError(reasons.TOKEN_SIGNATURE) from error
        return _Verified(policy, source, keys, issuer, payload, claims.caller(issuer, payload))


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, none of it to be believed yet."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _RefusedError(reasons.TOKEN_MALFORMED) from error
    return parts["header"], parts["payload"]


def _select(keys: KeyRing, kid: str | None) -> VerificationKey | None:
    """The key that the token names. It may leave the name out, or the set may, only when there is but one key."""
    if len(keys) == 1 and (kid is None or keys[0].kid is None):
        return keys[0]
    return next((key for key in keys if kid is not None and key.kid == kid), None)
