"""Revoked tokens in Redis: what ext_authz reads, written here."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import redis

from ext_authz import policy as authz
from ext_authz.revocation import MAX_ENTRIES, Revocation, redis_key, version_key
from gatectl.compiler.access import compile_access
from gatectl.diagnostics import GatectlError
from gatectl.runtime.redis_connection import connected
from gatectl.spec.load import load


def issuers(state_dir: Path, files: Sequence[str]) -> tuple[authz.Issuer, ...]:
    """The issuers of a spec, or without files those of the generation in force in ``state_dir``.

    Raises GatectlError (usage) when there are none: then there are no tokens to revoke.
    """
    if files:
        found = compile_access(load(files)[0]).issuers
    else:
        try:
            found = authz.load((state_dir / "current" / "authz.json").read_bytes()).issuers
        except (OSError, ValueError):
            raise GatectlError(
                f"no policy that can be read is in force in {state_dir}; name the spec: -f gateway.yaml", 64
            ) from None
    if not found:
        raise GatectlError("the gateway takes no tokens: its spec has no authentication.jwt", 64)
    return found


def revocation(
    known: Sequence[authz.Issuer],
    *,
    jti: str | None,
    user: str | None,
    issued_before: datetime | None,
    issuer: str | None,
    reason: str | None,
) -> Revocation:
    """What to revoke, from now on. ``issuer`` is a name in the spec; None: whoever issued it.

    It may be forgotten once the last token that it hits has expired, by the issuers' longest lifetime and leeway.
    Raises GatectlError (usage) when what is asked makes no sense.
    """
    now = datetime.now(UTC)
    chosen = [one for one in known if issuer is None or one.name == issuer]
    if not chosen:
        raise GatectlError(f"there is no issuer {issuer!r}; known: {', '.join(one.name for one in known)}", 64)
    if (jti is None) == (user is None and issued_before is None):
        raise GatectlError("say which tokens: --jti ID, or --subject USER, --issued-before TIME or both", 64)
    if issued_before is not None and issued_before > now:
        raise GatectlError("--issued-before lies in the future: tokens that do not exist yet cannot be revoked", 64)
    until = (issued_before or now) if jti is None else None
    # a token may have been issued by a clock that is ahead by the leeway, and be taken for as long once it expired
    lifetime = max(one.max_lifetime_seconds + 2 * one.leeway_seconds for one in chosen)
    expires_at = (until or now) + timedelta(seconds=lifetime)
    if expires_at <= now:
        raise GatectlError("every token that was issued by then has expired already", 64)
    try:
        return Revocation(
            issuer=chosen[0].issuer if issuer is not None else None,
            jti=jti,
            user=user,
            issued_before=until,
            reason=reason,
            revoked_at=now,
            expires_at=expires_at,
        )
    except ValueError:
        raise GatectlError("--reason takes up to 256 characters", 64) from None


def revoke(url: str, gateway: str, wanted: Revocation) -> None:
    """Put a revocation into force, and forget those that hit nothing any more.

    Raises GatectlError (5) when Redis cannot be used, as all of these functions do, and when the list is full.
    """
    with connected(url) as client:
        there = cast("dict[str, str]", client.hgetall(redis_key(gateway)))
        expired = [at for at, document in there.items() if (one := _read(document)) is not None and _is_over(one)]
        if len(there) - len(expired) >= MAX_ENTRIES and wanted.id not in there:
            raise GatectlError(
                f"{MAX_ENTRIES} revocations are in force; revoke by --issued-before instead of one by one"
            )
        with client.pipeline(transaction=True) as together:
            if expired:
                together.hdel(redis_key(gateway), *expired)
            together.hset(redis_key(gateway), wanted.id, wanted.model_dump_json())
            _changed(together, gateway)
            together.execute()


def list_revocations(url: str, gateway: str) -> list[Revocation]:
    """Those in force, the newest first."""
    with connected(url) as client:
        documents = cast("Iterable[str]", client.hvals(redis_key(gateway)))
    found = (_read(document) for document in documents)
    return sorted((one for one in found if one is not None and not _is_over(one)), key=_when, reverse=True)


def reinstate(url: str, gateway: str, revocation_id: str) -> None:
    """Take a revocation back. Raises GatectlError when there is none of that id."""
    with connected(url) as client, client.pipeline(transaction=True) as together:
        together.hdel(redis_key(gateway), revocation_id)
        _changed(together, gateway)
        if not together.execute()[0]:
            raise GatectlError(
                f'gateway {gateway} has no revocation "{revocation_id}"; `gatectl tokens list` shows them'
            )


def _changed(together: redis.client.Pipeline, gateway: str) -> None:
    """A version that never was before, not even before Redis lost its data: a copy of then must not pass for this."""
    together.set(version_key(gateway), uuid.uuid4().hex)


def _read(document: str) -> Revocation | None:
    try:
        return Revocation.model_validate_json(document)
    except ValueError:
        return None


def _is_over(one: Revocation) -> bool:
    return one.expires_at <= datetime.now(UTC)


def _when(one: Revocation) -> tuple[datetime, str]:
    return one.revoked_at, one.id
