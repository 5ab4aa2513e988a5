"""Revoked tokens: the record kept of a revocation, and what a list of them refuses.

Shared with gatectl, which writes the records that ext_authz reads. Pure: no I/O, no clock.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

MAX_ENTRIES = 10_000
"""Longest denylist. More than so many single tokens are better revoked by a time."""


class Revocation(BaseModel):
    """What is refused from now on, as JSON in the Redis hash ``redis_key(gateway)`` under the field ``id``.

    Either one token, by its ``jti``; or every token issued at ``issued_before`` or earlier, of one ``user`` or of
    everybody. ``issuer`` is the ``iss`` of the tokens; None: whoever issued them. ``user`` is the caller's name as the
    issuer's claims give it. Unknown fields are refused: who cannot read a revocation must not ignore it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = None
    jti: str | None = None
    user: str | None = None
    issued_before: AwareDatetime | None = None
    reason: Annotated[str, StringConstraints(max_length=256)] | None = None
    revoked_at: AwareDatetime
    expires_at: AwareDatetime
    """From then on no token that it hits can be valid any more, so it may be forgotten."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Revocation":
        if (self.jti is None) == (self.issued_before is None) or (self.jti is not None and self.user is not None):
            raise ValueError("a revocation names a jti, or a time and perhaps a user")
        return self

    @property
    def id(self) -> str:
        """A short name made of what it hits: revoking the same again is the same revocation."""
        until = self.issued_before.timestamp() if self.issued_before is not None else None
        hit = json.dumps([self.issuer, self.jti, self.user, until])
        return hashlib.sha256(hit.encode()).hexdigest()[:12]


def redis_key(gateway: str) -> str:
    """Name of the Redis hash that holds a gateway's revocations. The braces pin it to one cluster slot."""
    return f"gatectl:{{{gateway}}}:revocations"


def version_key(gateway: str) -> str:
    """Name of the Redis string that changes, to something it never was before, with every change of the hash."""
    return f"gatectl:{{{gateway}}}:revocations:version"


class Denylist:
    """What a gateway's revocations refuse, in three look-ups for a token however long the list is."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._tokens: set[tuple[str | None, str]] = set()
        self._until: dict[tuple[str | None, str | None], float] = {}
        for one in revocations:
            if one.jti is not None:
                self._tokens.add((one.issuer, one.jti))
            elif one.issued_before is not None:
                at = (one.issuer, one.user)
                self._until[at] = max(one.issued_before.timestamp(), self._until.get(at, float("-inf")))
        self._empty = not self._tokens and not self._until

    def refuses(self, issuer: str, jti: Any, user: str, issued_at: float) -> bool:
        """Whether a valid token is revoked. ``issued_at`` is its ``iat`` in Unix seconds, ``user`` its bearer."""
        if self._empty:
            return False
        if isinstance(jti, str) and ((issuer, jti) in self._tokens or (None, jti) in self._tokens):
            return True
        named = ((iss, whose) for iss in (issuer, None) for whose in (user, None))
        return any((until := self._until.get(at)) is not None and issued_at <= until for at in named)
