"""Who is calling, and what authentication can end in. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ext_authz.policy import is_name
from ext_authz.reasons import Reason

NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class Identity(NamedTuple):
    """An authenticated caller. Build it with :func:`identity`, which sees to it that the values fit into headers."""

    user: str
    roles: tuple[str, ...]
    plan: str | None
    attributes: Mapping[str, str]
    method: str
    """The authenticator that vouches for it: ``api_key``, ``jwt`` or ``mtls``."""
    key_id: str | None = None


class Refusal(NamedTuple):
    """The credential was not accepted. ``identity`` is set only when its holder proved who he is nevertheless
    (a revoked key, an expired token): it is for the audit line, never for access.
    """

    reason: Reason
    identity: Identity | None = None


Outcome = Identity | Refusal
"""What an authenticator makes of a credential."""


def identity(
    *,
    user: Any,
    roles: Iterable[Any],
    plan: Any,
    attributes: Mapping[str, str],
    method: str,
    key_id: str | None = None,
) -> Identity | None:
    """An identity made of values that come from outside (a claim, a key record); None when one of them is unfit."""
    granted = tuple(roles)
    if not is_name(user) or not all(map(is_name, granted)) or not (plan is None or is_name(plan)):
        return None
    return Identity(user, granted, plan, attributes or NO_ATTRIBUTES, method, key_id)
