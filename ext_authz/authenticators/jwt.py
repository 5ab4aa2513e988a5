"""Signed JSON Web Tokens (RFC 7519, RFC 6750) in the Authorization header.

PyJWT parses and verifies; what it is asked to verify with is decided here, from the policy and the key's own type,
never from the token alone (RFC 8725).
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

import jwt

from ext_authz import claims, reasons, strict_json
from ext_authz.authenticators.headers import header_values
from ext_authz.denylists import Revocations
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
"""Tokens remembered: so many that were verified, and apart from them so many that were forged."""
UNKNOWN_CAPACITY = 1_000
UNKNOWN_SECONDS = 30.0
"""How long a key that the issuer did not know is not asked for again, unless its set changes meanwhile."""

_JWS = jwt.PyJWS()
_SCHEME = re.compile(r"^(?i:bearer) +")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jku", "x5u", "x5c", "jwk", "zip", "enc"})
"""What would change how the token is to be read, or bring its own key."""


class _Ground(NamedTuple):
    """What a verdict on a signature stands on."""

    policy: Policy
    issuer: Issuer
    source: Source
    keys: KeyRing


class _Verified(NamedTuple):
    """A token whose signature was verified. ``claims``: those of :data:`claims.JUDGED`."""

    ground: _Ground
    claims: claims.Claims
    caller: Identity | None


class _UnknownKey(NamedTuple):
    """A key name that was not in ``keys``, which was the issuer's newest set; ``until`` in Unix seconds."""

    keys: KeyRing
    until: float


class _UnknownKeyError(Exception):
    """The token names a key that its issuer's set does not hold (yet)."""

    def __init__(self, source: Source, kid: str) -> None:
        super().__init__()
        self.source, self.kid = source, kid


class _RefusedError(Exception):
    """The token is refused for a reason that needs no claim to be believed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.refusal = Refusal(reason)


class JwtAuthenticator:
    """Bearer tokens of the policy's issuers. Signatures are verified once per token, policy and key set.

    What is remembered is bounded, and what was refused is kept apart: it never pushes a good token out.
    """

    method = claims.METHOD
    ambient = False

    def __init__(self, sources: JwksSources, revocations: Revocations) -> None:
        self._sources, self._revocations = sources, revocations
        self._verified: Lru[tuple[str, bytes], _Verified] = Lru(CACHE_CAPACITY)
        self._forged: Lru[tuple[str, bytes], _Ground] = Lru(CACHE_CAPACITY)
        self._unknown: Lru[tuple[Source, str], _UnknownKey] = Lru(UNKNOWN_CAPACITY)

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """The Authorization headers, of whatever scheme: a policy with issuers leaves it no other meaning.

        The scheme in one spelling: who remembers credentials must not take one token for many.
        """
        if not policy.issuers:
            return ()
        values = header_values(request.headers, "authorization")
        return [_SCHEME.sub("Bearer ", values[0])] if len(values) == 1 else values

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
            return self._judge_again(policy, credential, now, unknown)

    async def _judge_again(self, policy: Policy, credential: str, now: float, unknown: _UnknownKeyError) -> Outcome:
        read = await unknown.source.renew()
        try:
            return self._judge(policy, credential, now)
        except _RefusedError as refused:
            return refused.refusal
        except _UnknownKeyError:
            if read and unknown.source.keys is not None:
                known = _UnknownKey(unknown.source.keys, now + UNKNOWN_SECONDS)
                self._unknown.put((unknown.source, unknown.kid), known)
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
        if verified is None or not self._holds(verified.ground, policy):
            forged = self._forged.get(at)
            if forged is not None and self._holds(forged, policy):
                raise _RefusedError(reasons.TOKEN_SIGNATURE)
            verified = self._verify(policy, token, at, now)
            self._verified.put(at, verified)
        reason = claims.invalid(verified.ground.issuer, verified.claims, now)
        if reason is reasons.TOKEN_EXPIRED:
            self._verified.discard(at)
        if reason is not None:
            return Refusal(reason, verified.caller)
        if verified.caller is None:
            return Refusal(reasons.TOKEN_CLAIMS)
        return self._unless_revoked(verified.ground, verified.claims, verified.caller)

    def _unless_revoked(self, ground: _Ground, found: claims.Claims, caller: Identity) -> Outcome:
        denylist = self._revocations.known(ground.policy.gateway, ground.policy.revocations_stale_seconds)
        if denylist is None:
            return Refusal(reasons.REVOCATIONS_UNAVAILABLE, caller)
        revoked = denylist.refuses(ground.issuer.issuer, found.get("jti"), caller.user, found["iat"])
        return Refusal(reasons.TOKEN_REVOKED, caller) if revoked else caller

    def _holds(self, ground: _Ground, policy: Policy) -> bool:
        """Whether policy and keys are still those that a verdict stands on."""
        jwks = ground.issuer.jwks
        return (
            ground.policy is policy
            and ground.source is self._sources.source(jwks)
            and ground.source.usable(jwks.max_stale_seconds) is ground.keys
        )

    def _verify(self, policy: Policy, token: str, at: tuple[str, bytes], now: float) -> _Verified:
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
        keys = source.usable(issuer.jwks.max_stale_seconds) if source is not None else None
        if source is None or keys is None:
            raise _RefusedError(reasons.ISSUER_KEYS_UNAVAILABLE)
        kid = header.get("kid")
        key = _select(keys, kid)
        if key is None:
            if kid is None or self._is_unknown(source, keys, kid, now):
                raise _RefusedError(reasons.TOKEN_KEY_UNKNOWN)
            raise _UnknownKeyError(source, kid)
        if algorithm not in key.algorithms:
            raise _RefusedError(reasons.TOKEN_ALGORITHM)
        ground = _Ground(policy, issuer, source, keys)
        try:
            _JWS.decode(token, key.key, algorithms=[algorithm])
        except jwt.PyJWTError as error:
            self._forged.put(at, ground)
            raise _RefusedError(reasons.TOKEN_SIGNATURE) from error
        judged = {name: payload[name] for name in claims.JUDGED if name in payload}
        return _Verified(ground, judged, claims.caller(issuer, payload))

    def _is_unknown(self, source: Source, keys: KeyRing, kid: str, now: float) -> bool:
        known = self._unknown.get((source, kid))
        return known is not None and known.keys is keys and now < known.until


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, none of it to be believed yet."""
    try:
        header, payload, _ = map(_decoded, token.split("."))
        parts = strict_json.parse_object(header), strict_json.parse_object(payload)
    except ValueError as error:
        raise _RefusedError(reasons.TOKEN_MALFORMED) from error
    if not isinstance(parts[0].get("kid", ""), str):
        raise _RefusedError(reasons.TOKEN_MALFORMED)
    return parts


def _decoded(part: str) -> bytes:
    """base64url without padding (RFC 7515 section 2). Raises ValueError."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _select(keys: KeyRing, kid: str | None) -> VerificationKey | None:
    """The key that the token names. It may leave the name out, or the set may, only when there is but one key."""
    if len(keys) == 1 and (kid is None or keys[0].kid is None):
        return keys[0]
    return next((key for key in keys if kid is not None and key.kid == kid), None)
