"""Who may do what on a route."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from gatectl.fields import Expression, Method, Name, Omittable, PathTemplate, Permission, PermissionPattern
from gatectl.spec.model.section import Section, kind


class Role(Section):
    """What a role may do: its own permissions, and all that the roles it inherits may."""

    inherits: tuple[Name, ...] = ()
    permissions: tuple[PermissionPattern, ...] = ()


class AccessRule(Section):
    """Grants access, or denies it, when all that it names match.

    No ``methods``: any method. No ``roles`` and no ``permissions``: any authenticated caller. ``path_template``: only
    this part of what the route's ``path_prefix`` takes. ``where``: an expression over path, query, headers and user.
    """

    effect: Omittable[Literal["allow", "deny"]] = None
    """Not said: allow."""
    methods: Omittable[Annotated[tuple[Method, ...], Field(min_length=1)]] = None
    roles: Omittable[Annotated[tuple[Name, ...], Field(min_length=1)]] = None
    permissions: Omittable[Annotated[tuple[Permission, ...], Field(min_length=1)]] = None
    path_template: Omittable[PathTemplate] = None
    where: Omittable[Expression] = None
    enforce: Omittable[bool] = None
    """False: what the rule would have done is recorded, and nothing else. Not said: true."""

    @property
    def grants(self) -> bool:
        """Whether somebody can get in by it."""
        return self.effect != "deny" and self.enforce is not False


Access = Annotated[
    Annotated[Literal["public", "authenticated"], Tag("text")]
    | Annotated[AccessRule, Tag("object")]
    | Annotated[tuple[AccessRule, ...], Field(min_length=1), Tag("list")],
    Discriminator(kind),
]
