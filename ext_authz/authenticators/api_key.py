"""API keys in a request header of their own."""

import hmac
from collections.abc import Awaitable, Sequence

from ext_authz import api_key, keyset, reasons, telemetry
from ext_authz.authenticators.headers import header_values
from ext_authz.engine import Request, Taken
from ext_authz.identity import Identity, Outcome, Refusal, identity
from ext_authz.keyset import KeySet, KeyStoreUnavailableError, StoredKey
from ext_authz.policy import Policy, StaticKey
from ext_authz.reasons import Reason

MAX_LENGTH = 512
"""Longest key, in characters. Ours have 77; others may be listed in a policy by their digest."""

_NO_DIGEST = "0" * 64
_INVALID = Refusal(reasons.KEY_INVALID)
_UNAVAILABLE = Refusal(reasons.KEY_STORE_UNAVAILABLE)


class ApiKeyAuthenticator:
    """Keys of the policy itself, found by their digest, and keys in Redis, found by their id.

    The digest of the key as sent is always computed and compared in constant time with the stored one, or with a
    dummy when there is none: an unknown id costs what a wrong secret costs.
    """

    method = keyset.METHOD
    ambient = False

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._static: dict[str, tuple[Policy, dict[str, StoredKey]]] = {}

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """The values of the policy's key header."""
        return header_values(request.headers, policy.api_keys.header) if policy.api_keys is not None else ()

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:  # noqa: ARG002 - no error code
        """``ApiKey realm="…"``."""
        return f"ApiKey realm={realm}" if policy.api_keys is not None else None

    def taken(self, policy: Policy, request: Request, *, used: bool) -> Taken:  # noqa: ARG002 - gone in any case
        """The key header."""
        return Taken(headers=(policy.api_keys.header,)) if policy.api_keys is not None else Taken()

    def authenticate(
        self,
        policy: Policy,
        request: Request,  # noqa: ARG002 - the credential says it all
        credential: str,
        now: float,
    ) -> Outcome | Awaitable[Outcome]:
        """Judge a key; an awaitable when Redis must be asked for its record."""
        if policy.api_keys is None or len(credential) > MAX_LENGTH or not credential.isascii():
            return _INVALID
        parsed = api_key.parse(credential)
        sha256 = parsed.sha256 if parsed is not None else api_key.digest(credential)
        static = self._static_keys(policy).get(sha256)
        if static is not None or parsed is None:
            telemetry.KEY_LOOKUPS.labels("static").inc()
            return _judge(static, sha256, now)
        entry = self._keys.fresh(policy.gateway, parsed.id)
        if entry is not None:
            return _judge(entry.key, sha256, now)
        return self._look_up(policy.gateway, parsed, policy.api_keys.stale_seconds, now)

    async def _look_up(self, gateway: str, parsed: api_key.ParsedKey, stale_seconds: float, now: float) -> Outcome:
        try:
            entry = await self._keys.look_up(gateway, parsed.id, stale_seconds)
        except KeyStoreUnavailableError:
            return _UNAVAILABLE
        return _judge(entry.key, parsed.sha256, now)

    def _static_keys(self, policy: Policy) -> dict[str, StoredKey]:
        """A policy's own keys by digest, built on first use and kept for the few policies that are loaded."""
        known = self._static.get(policy.revision)
        if known is not None and known[0] is policy:
            return known[1]
        if len(self._static) >= 8:
            self._static.clear()
        listed = policy.api_keys.static if policy.api_keys is not None else ()
        keys = {
            key.sha256: StoredKey(key.sha256, caller, None, revoked=False)
            for key in listed
            if (caller := _static_caller(key)) is not None
        }
        self._static[policy.revision] = (policy, keys)
        return keys


def _static_caller(key: StaticKey) -> Identity | None:
    return identity(
        user=key.user,
        roles=key.roles,
        plan=key.plan,
        attributes=key.attributes,
        method=keyset.METHOD,
        key_id=key.id,
    )


def _judge(stored: StoredKey | None, sha256: str, now: float) -> Outcome:
    same = hmac.compare_digest(stored.sha256 if stored is not None else _NO_DIGEST, sha256)
    if stored is None or not same:
        return _INVALID
    if stored.revoked:
        return Refusal(reasons.KEY_REVOKED, stored.identity)
    if stored.expires_at is not None and now >= stored.expires_at:
        return Refusal(reasons.KEY_EXPIRED, stored.identity)
    return stored.identity
