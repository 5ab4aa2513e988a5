"""A spec as far as it can be understood, so that one wrong type does not hide a dangling name elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from gatectl.spec.model import (
    Abuse,
    Cors,
    Development,
    Jwt,
    ListenerTls,
    RateLimit,
    Role,
    Route,
    Section,
    Spec,
    Upstream,
)
from gatectl.spec.tree import Node

SectionT = TypeVar("SectionT", bound=Section)
Path = tuple[int | str, ...]


@dataclass(frozen=True)
class Draft:
    """The parts of a spec that are well-typed, each with its place in ``tree``."""

    tree: Node
    upstreams: dict[str, Upstream]
    routes: list[tuple[int, Route]]
    limits: list[tuple[int, RateLimit]]
    issuers: list[tuple[int, Jwt]]
    cors: list[tuple[Path, Cors]]
    abuse: Abuse
    roles: dict[str, Role]
    development: Development
    authenticates: bool
    listener_tls: ListenerTls | None = None

    def keys(self, *path: int | str) -> list[str]:
        """The keys of the mapping at ``path``, well-typed or not."""
        node = self.at(*path)
        return list(node.value) if node is not None and isinstance(node.value, dict) else []

    def words(self, field: str, *path: int | str) -> list[tuple[int, str]]:
        """The texts of ``field`` in the list of mappings at ``path``, with their indices, well-typed or not."""
        node = self.at(*path)
        items = node.value if node is not None and isinstance(node.value, list) else []
        fields = ((index, item.value.get(field)) for index, item in enumerate(items) if isinstance(item.value, dict))
        return [(index, node.value) for index, node in fields if node is not None and isinstance(node.value, str)]

    def shown(self, *path: int | str) -> str:
        """The scalar at ``path`` as messages may quote it; without one, the step that leads there."""
        node = self.at(*path)
        return str(path[-2]) if node is None or isinstance(node.value, (dict, list)) else node.shown

    def at(self, *path: int | str) -> Node | None:
        """The node at exactly ``path``; None when there is none."""
        node = self.tree.find(path[:-1]) if len(path) == 1 else self.at(*path[:-1])
        if node is None:
            return None
        found = node.find(path[-1:])
        return None if found is node else found


def of_spec(spec: Spec, tree: Node) -> Draft:
    """The draft of a spec that is well-typed throughout."""
    cors: list[tuple[Path, Cors]] = [(("cors",), spec.cors)] if spec.cors else []
    cors += [(("routes", index, "cors"), route.cors) for index, route in enumerate(spec.routes) if route.cors]
    return Draft(
        tree,
        spec.upstreams,
        list(enumerate(spec.routes)),
        list(enumerate(spec.rate_limits)),
        list(enumerate(spec.authentication.jwt)),
        cors,
        spec.abuse,
        spec.roles,
        spec.development,
        spec.authentication.api_keys is not None or bool(spec.authentication.jwt or spec.authentication.certificates),
        spec.listener.tls,
    )


def of_tree(tree: Node) -> Draft:
    """What can be understood of a spec with type errors; those are reported elsewhere."""
    empty = Draft(tree, {}, [], [], [], [], Abuse(), {}, Development(), authenticates=True)
    upstreams = [(name, _section(Upstream, empty.at("upstreams", name))) for name in empty.keys("upstreams")]
    roles = [(name, _section(Role, empty.at("roles", name))) for name in empty.keys("roles")]
    return Draft(
        tree,
        {name: upstream for name, upstream in upstreams if upstream is not None},
        _sections(Route, empty.at("routes")),
        _sections(RateLimit, empty.at("rate_limits")),
        _sections(Jwt, empty.at("authentication", "jwt")),
        [],
        _section(Abuse, empty.at("abuse")) or Abuse(),
        {name: role for name, role in roles if role is not None},
        _section(Development, empty.at("development")) or Development(),
        authenticates=bool(empty.keys("authentication")),
        listener_tls=_section(ListenerTls, empty.at("listener", "tls")),
    )


def _sections(model: type[SectionT], node: Node | None) -> list[tuple[int, SectionT]]:
    items: Sequence[Node] = node.value if node is not None and isinstance(node.value, list) else ()
    read = ((index, _section(model, item)) for index, item in enumerate(items))
    return [(index, section) for index, section in read if section is not None]


def _section(model: type[SectionT], node: Node | None) -> SectionT | None:
    try:
        return model.model_validate(node.plain()) if node is not None else None
    except ValidationError:
        return None
