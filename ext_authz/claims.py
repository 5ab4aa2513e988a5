"""The claims of a verified token (RFC 7519): is it valid now, and who is its bearer? Pure."""

import math
from collections.abc import Mapping
from typing import Any

from ext_authz import reasons
from ext_authz.identity import Identity, identity
from ext_authz.policy import Issuer
from ext_authz.reasons import Reason

Claims = Mapping[str, Any]
METHOD = "jwt"
"""The authenticator that these claims belong to, as identities name it."""


def invalid(issuer: Issuer, claims: Claims, now: float) -> Reason | None:
    """Why a token of this issuer is not valid at ``now`` (Unix seconds) or not for us; None when all is well.

    ``exp`` is required, ``nbf`` and ``iat`` are honoured when present, all with the issuer's leeway. ``aud`` (a string
    or a list of strings) must hold one of the issuer's audiences.
    """
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if "exp" not in times or not all(map(_is_time, times.values())):
        return reasons.TOKEN_CLAIMS
    audiences = claims.get("aud")
    if isinstance(audiences, str):
        audiences = [audiences]
    if not isinstance(audiences, list) or not all(isinstance(audience, str) for audience in audiences):
        return reasons.TOKEN_CLAIMS if "aud" in claims else reasons.TOKEN_AUDIENCE
    if not any(audience in issuer.audiences for audience in audiences):
        return reasons.TOKEN_AUDIENCE
    if now >= times["exp"] + issuer.leeway_seconds:
        return reasons.TOKEN_EXPIRED
    if any(times[name] > now + issuer.leeway_seconds for name in ("nbf", "iat") if name in times):
        return reasons.TOKEN_NOT_YET_VALID
    return None


def caller(issuer: Issuer, claims: Claims) -> Identity | None:
    """The user that the claims speak of; None when a claim has a type or value that cannot be used.

    Roles are a list of strings or one string of words; attributes are strings or whole numbers.
    """
    roles = claim(claims, issuer.roles_claim) if issuer.roles_claim is not None else None
    if isinstance(roles, str):
        roles = roles.split(" ") if roles else []
    elif roles is None:
        roles = []
    elif not isinstance(roles, list):
        return None
    attributes: dict[str, str] = {}
    for name, path in issuer.attributes.items():
        value = claim(claims, path)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        attributes[name] = str(value)
    return identity(
        user=claim(claims, issuer.user_claim),
        roles=roles,
        plan=claim(claims, issuer.plan_claim) if issuer.plan_claim is not None else None,
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


def _is_time(value: Any) -> bool:
    """A NumericDate (RFC 7519 section 2): a JSON number, and one that can be compared."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
    )
