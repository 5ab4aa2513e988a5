"""API keys: in a header of their own, a query parameter or a cookie."""

import logging
from collections.abc import Awaitable, Sequence

from ext_authz import api_key, keyset, reasons, telemetry
from ext_authz.api_key import ParsedKey, PepperUnknownError
from ext_authz.authenticators.headers import header_values
from ext_authz.authenticators.named_values import cookie_values, query_values, without_cookie, without_query
from ext_authz.engine import Request, Taken
from ext_authz.identity import Identity, Outcome, Refusal, identity
from ext_authz.keyset import KeySet, KeyStoreUnavailableError, StoredKey
from ext_authz.policy import Policy, StaticKey
from ext_authz.reasons import Reason

log = logging.getLogger(__name__)

MAX_LENGTH = 512
"""Longest key, in characters. Ours have 89 at most; others may be listed in a policy by their digest."""

_INVALID = Refusal(reasons.KEY_INVALID)
_UNAVAILABLE = Refusal(reasons.KEY_STORE_UNAVAILABLE)
_MOST_LACKING = 100
"""Fingerprints of unknown peppers that are remembered, so as to tell of each once."""


class ApiKeyAuthenticator:
    """Keys of the policy itself, found by their digest, and keys in Redis, found by their id.

    The key as sent is always hashed and compared in constant time with the stored hash, or with a dummy when there is
    none: an unknown id or a malformed key costs what a wrong secret costs.
    """

    method = keyset.METHOD
    ambient = False

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._static: dict[str, tuple[Policy, dict[str, Identity]]] = {}
        self._lacking: set[str] = set()

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """What stands in the places that the policy names."""
        places = policy.api_keys
        if places is None:
            return ()
        found = list(header_values(request.headers, places.header)) if places.header is not None else []
        if places.query is not None:
            found += query_values(request.path, places.query)
        if places.cookie is not None:
            found += cookie_values(request.headers.get("cookie"), places.cookie)
        return found

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:  # noqa: ARG002 - no error code
        """``ApiKey realm="…"``."""
        return f"ApiKey realm={realm}" if policy.api_keys is not None else None

    def taken(self, policy: Policy, request: Request, *, used: bool) -> Taken:  # noqa: ARG002 - gone in any case
        """The key, wherever it stood."""
        places = policy.api_keys
        if places is None:
            return Taken()
        headers = [places.header] if places.header is not None else []
        replaced, cookies = dict[str, str](), request.headers.get("cookie")
        if places.query is not None and query_values(request.path, places.query):
            replaced[":path"] = without_query(request.path, places.query)
        if places.cookie is not None and cookie_values(cookies, places.cookie):
            rest = without_cookie(cookies or "", places.cookie)
            if rest:
                replaced["cookie"] = rest
            else:
                headers.append("cookie")
        return Taken(tuple(headers), replaced)

    def authenticate(
        self, policy: Policy, request: Request, credential: str, now: float
    ) -> Outcome | Awaitable[Outcome]:
        """Judge a key; an awaitable when Redis must be asked for its record."""
        if policy.api_keys is None or len(credential) > MAX_LENGTH or not credential.isascii():
            return _INVALID
        parsed = api_key.parse(credential)
        sha256 = parsed.sha256 if parsed is not None else api_key.digest(credential)
        static = self._static_keys(policy).get(sha256)
        if static is not None or parsed is None:
            telemetry.KEY_LOOKUPS.labels("static").inc()
            return static or self._proved(credential, sha256, None)
        entry = self._keys.fresh(policy.gateway, parsed.id)
        if entry is not None:
            return self._judge(policy, request, credential, parsed, entry.key, now)
        return self._look_up(policy, request, credential, parsed, now)

    async def _look_up(
        self, policy: Policy, request: Request, credential: str, parsed: ParsedKey, now: float
    ) -> Outcome:
        stale_seconds = policy.api_keys.stale_seconds if policy.api_keys is not None else 0
        try:
            entry = await self._keys.look_up(policy.gateway, parsed.id, stale_seconds)
        except KeyStoreUnavailableError:
            return _UNAVAILABLE
        return self._judge(policy, request, credential, parsed, entry.key, now)

    def _judge(
        self, policy: Policy, request: Request, credential: str, parsed: ParsedKey, stored: StoredKey | None, now: float
    ) -> Outcome:
        outcome = self._proved(credential, parsed.sha256, stored)
        if stored is None or isinstance(outcome, Refusal):
            return outcome
        reason = _unfit(stored, request.address, now)
        if reason is not None:
            return Refusal(reason, outcome)
        if self._keys.uses is not None:
            self._keys.uses.note(policy.gateway, parsed.id, now)
        return outcome

    def _proved(self, credential: str, sha256: str, stored: StoredKey | None) -> Outcome:
        """The holder of a record, if the credential is its key."""
        try:
            same = self._keys.peppers.proves(credential, sha256, stored.hash if stored is not None else None)
        except PepperUnknownError as error:
            self._lacks(error.fingerprint)
            return _UNAVAILABLE
        return stored.identity if stored is not None and same else _INVALID

    def _lacks(self, fingerprint: str) -> None:
        if fingerprint not in self._lacking and len(self._lacking) < _MOST_LACKING:
            self._lacking.add(fingerprint)
            log.error("API keys were hashed with a pepper that is not here", extra={"pepper": fingerprint})

    def _static_keys(self, policy: Policy) -> dict[str, Identity]:
        """A policy's own keys by digest, built on first use and kept for the few policies that are loaded."""
        known = self._static.get(policy.revision)
        if known is not None and known[0] is policy:
            return known[1]
        if len(self._static) >= 8:
            self._static.clear()
        listed = policy.api_keys.static if policy.api_keys is not None else ()
        keys = {key.sha256: caller for key in listed if (caller := _static_caller(key)) is not None}
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


def _unfit(stored: StoredKey, address: str, now: float) -> Reason | None:
    """Why a proved key is not accepted now (Unix seconds) and from this address; None when it is."""
    if stored.revoked:
        return reasons.KEY_REVOKED
    if stored.not_before is not None and now < stored.not_before:
        return reasons.KEY_NOT_YET_VALID
    if stored.expires_at is not None and now >= stored.expires_at:
        return reasons.KEY_EXPIRED
    if stored.networks and not api_key.comes_from(address, stored.networks):
        return reasons.KEY_ADDRESS
    return None
