"""The claims of a verified token (RFC 7519): is it valid now, and who is its bearer? Pure."""

import math
from collections.abc import Mapping
from typing import Any

from ext_authz import reasons
from ext_authz.identity import Identity, identity
from ext_authz.policy import ClaimMapping, Issuer
from ext_authz.reasons import Reason

Claims = Mapping[str, Any]
JUDGED = ("exp", "iat", "nbf", "aud", "jti")
"""Claims that are looked at with every use of a token."""
METHOD = "jwt"
"""The authenticator that these claims belong to, as identities name it."""


def invalid(issuer: Issuer, claims: Claims, now: float) -> Reason | None:
    """Why a token of this issuer is not valid at ``now`` (Unix seconds) or not for us; None when all is well.

    ``exp`` and ``iat`` are required and may be ``max_lifetime_seconds`` apart, ``nbf`` is honoured when present, all
    with the issuer's leeway. ``aud`` (a string or a list of strings) must hold one of the issuer's audiences. ``jti``
    is a string: another one could not be revoked.
    """
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    sound = times.keys() >= {"exp", "iat"} and all(map(_is_time, times.values()))
    if not sound or not isinstance(claims.get("jti", ""), str):
        return reasons.TOKEN_CLAIMS
    return _not_for_us(issuer, claims) or _not_now(issuer, times, now)


def _not_for_us(issuer: Issuer, claims: Claims) -> Reason | None:
    audiences = claims.get("aud")
    if isinstance(audiences, str):
        audiences = [audiences]
    if not isinstance(audiences, list) or not all(isinstance(audience, str) for audience in audiences):
        return reasons.TOKEN_CLAIMS if "aud" in claims else reasons.TOKEN_AUDIENCE
    return None if any(audience in issuer.audiences for audience in audiences) else reasons.TOKEN_AUDIENCE


def _not_now(issuer: Issuer, times: Mapping[str, float], now: float) -> Reason | None:
    if now >= times["exp"] + issuer.leeway_seconds:
        return reasons.TOKEN_EXPIRED
    if any(times[name] > now + issuer.leeway_seconds for name in ("nbf", "iat") if name in times):
        return reasons.TOKEN_NOT_YET_VALID
    if times["exp"] > times["iat"] + issuer.max_lifetime_seconds:  # not a difference: a huge int is no float
        return reasons.TOKEN_LIFETIME
    return None


def caller(issuer: Issuer, claims: Claims) -> Identity | None:
    """The user that the claims speak of; None when a claim has a type or value that cannot be used.

    Roles are a list of strings or one string of words; attributes are strings or whole numbers. What the issuer's
    mappings give comes on top: see :class:`ext_authz.policy.Issuer`.
    """
    roles = claim(claims, issuer.roles_claim) if issuer.roles_claim is not None else None
    if isinstance(roles, str):
        roles = roles.split(" ") if roles else []
    elif roles is None:
        roles = []
    elif not isinstance(roles, list):
        return None
    mapped = [one for one in issuer.mappings if _matches(one, claims)]
    attributes: dict[str, str] = {}
    for name, path in issuer.attributes.items():
        value = claim(claims, path)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        attributes[name] = str(value)
    for one in reversed(mapped):
        attributes.update(one.attributes)
    plan = next((one.plan for one in mapped if one.plan is not None), None)
    if plan is None and issuer.plan_claim is not None:
        plan = claim(claims, issuer.plan_claim)
    return identity(
        user=claim(claims, issuer.user_claim),
        roles=[*roles, *dict.fromkeys(role for one in mapped for role in one.roles if role not in roles)],
        plan=plan,
        attributes=attributes,
        method=METHOD,
    )


def claim(claims: Claims, path: str) -> Any:
    """The claim of that very name (``https://example.com/roles``), else what a dotted path leads to, else None."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _matches(mapping: ClaimMapping, claims: Claims) -> bool:
    """Whether the token carries what the mapping asks for. A claim of another type never does."""
    value = claim(claims, mapping.claim)
    if mapping.contains is not None:
        members = value.split(" ") if isinstance(value, str) else value
        return isinstance(members, list) and mapping.contains in members
    if isinstance(value, bool):
        return mapping.equals == ("true" if value else "false")
    return isinstance(value, str | int) and mapping.equals == str(value)


def _is_time(value: Any) -> bool:
    """A NumericDate (RFC 7519 section 2): a JSON number, and one that can be compared."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
    )
