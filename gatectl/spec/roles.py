"""Roles and permissions → plain sets of roles. Inheritance ends here: the services never hear of it."""

from collections.abc import Iterable, Mapping

from gatectl.spec.model import AccessRule, Role

Holders = Mapping[str, tuple[str, ...]]
"""Each role with those who have it."""


def holders(roles: Mapping[str, Role]) -> Holders:
    """Each role with those who have it: itself first, then all that inherit it, directly or not, by name."""
    parents = {name: set(role.inherits) for name, role in roles.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name in roles:
        heirs, fresh = set[str](), {name}
        while fresh:
            fresh = {one for one, inherited in parents.items() if inherited & fresh} - heirs - {name}
            heirs |= fresh
        found[name] = (name, *sorted(heirs))
    return found


def permitted(roles: Mapping[str, Role], permissions: Iterable[str]) -> tuple[str, ...]:
    """The roles that hold one of the permissions themselves, by name."""
    wanted = tuple(permissions)
    return tuple(
        sorted(
            name
            for name, role in roles.items()
            if any(covers(pattern, permission) for pattern in role.permissions for permission in wanted)
        )
    )


def covers(pattern: str, permission: str) -> bool:
    """Whether what a role holds (``tickets:*``) is or includes a permission (``tickets:read``)."""
    return pattern == permission or (pattern.endswith("*") and permission.startswith(pattern[:-1]))


def of_rule(rule: AccessRule, roles: Mapping[str, Role], heirs: Holders) -> tuple[str, ...] | None:
    """The roles that a rule is for; None for any authenticated caller. ``heirs`` are the roles' holders."""
    named = permitted(roles, rule.permissions) if rule.permissions is not None else rule.roles
    if named is None:
        return None
    return tuple(dict.fromkeys(one for name in named for one in heirs.get(name, (name,))))
