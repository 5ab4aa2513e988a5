"""Who may do what on a route."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from gatectl.fields import Method, Name, Omittable
from gatectl.spec.model.section import Section, kind


class AccessRule(Section):
    """Grants access when method, role and every ``where`` condition match.

    No ``methods``: any method. No ``roles``: any authenticated caller. ``where`` maps a variable of the route's path
    template to a property of the user: ``user.id``, ``user.plan`` or ``user.<attribute>``.
    """

    methods: Omittable[Annotated[tuple[Method, ...], Field(min_length=1)]] = None
    roles: Omittable[Annotated[tuple[Name, ...], Field(min_length=1)]] = None
    where: dict[str, Annotated[str, StringConstraints(pattern=r"^user\.[a-z][a-z0-9_]*$")]] = {}


Access = Annotated[
    Annotated[Literal["public", "authenticated"], Tag("text")]
    | Annotated[AccessRule, Tag("object")]
    | Annotated[tuple[AccessRule, ...], Field(min_length=1), Tag("list")],
    Discriminator(kind),
]
