"""What the rules look at: a spec, where its words stand, what it renders to, and the questions that many rules ask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from gatectl.diagnostics import Location
from gatectl.render.bundle import Bundle
from gatectl.spec.model import AccessRule, Cors, RateLimit, Route, Spec, StaticKey, Upstream
from gatectl.spec.roles import Holders, holders, of_rule
from gatectl.spec.tree import Node

Path = tuple[int | str, ...]


@dataclass(frozen=True)
class Thing:
    """An object of the spec, as messages and ignore lists call it; ``name`` is empty when there is only one."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        """``route orders``, ``listener``: what an ignore list names."""
        return f"{self.kind} {self.name}".strip()

    @property
    def quoted(self) -> str:
        """``route "orders"``, ``the listener``: the start of a message."""
        return f'{self.kind} "{self.name}"' if self.name else f"the {self.kind}"


@dataclass(frozen=True)
class Subject:
    """A gateway under the eyes of the rules. Names are as written: a value from the environment is never shown."""

    spec: Spec
    tree: Node
    bundle: Bundle

    def at(self, *path: int | str) -> Location:
        """Where ``path`` stands, or the nearest thing above it: a mapping or a list at its key, a scalar itself."""
        node = self.tree.find(path)
        return node.key_at if node.key_at is not None and isinstance(node.value, (dict, list)) else node.at

    def shown(self, *path: int | str) -> str:
        """The scalar at ``path`` as a message may quote it."""
        return self.tree.find(path).shown

    def shown_in(self, *path: int | str) -> dict[str, str]:
        """The texts in the list at ``path``, each with how a message may quote it; empty when there is no list."""
        node = self.tree.find(path)
        items = node.value if isinstance(node.value, list) else ()
        return {item.value: item.shown for item in items if isinstance(item.value, str)}

    def route(self, index: int) -> Thing:
        """A route."""
        return Thing("route", self.shown("routes", index, "name"))

    def limit(self, index: int) -> Thing:
        """A rate limit."""
        return Thing("rate limit", self.shown("rate_limits", index, "name"))

    def issuer(self, index: int) -> Thing:
        """A token issuer."""
        return Thing("issuer", self.shown("authentication", "jwt", index, "name"))

    @cached_property
    def routes(self) -> tuple[tuple[int, Route], ...]:
        """All routes with their indices."""
        return tuple(enumerate(self.spec.routes))

    @cached_property
    def static_keys(self) -> tuple[tuple[StaticKey, Thing, Location], ...]:
        """Every static key, what it is called, and where it stands."""
        api_keys = self.spec.authentication.api_keys
        path: Path = ("authentication", "api_keys", "static")
        return tuple(
            (key, Thing("static key", self.shown(*path, index, "id")), self.at(*path, index))
            for index, key in enumerate(api_keys.static if api_keys is not None else ())
        )

    @cached_property
    def cors(self) -> tuple[tuple[Thing, Path, Cors], ...]:
        """Every CORS policy, whose it is, and where it stands."""
        found: list[tuple[Thing, Path, Cors]] = []
        if self.spec.cors is not None:
            found.append((Thing("CORS policy"), ("cors",), self.spec.cors))
        for index, route in self.routes:
            if route.cors is not None:
                found.append((self.route(index), ("routes", index, "cors"), route.cors))
        return tuple(found)

    @cached_property
    def routes_to(self) -> Mapping[str, tuple[tuple[int, Route], ...]]:
        """The routes of each upstream; an upstream without any is not there."""
        found: dict[str, list[tuple[int, Route]]] = {}
        for index, route in self.routes:
            found.setdefault(route.upstream, []).append((index, route))
        return {name: tuple(routes) for name, routes in found.items()}

    @property
    def used_upstreams(self) -> Iterator[tuple[str, Upstream]]:
        """Upstreams that some route leads to."""
        return ((name, upstream) for name, upstream in self.spec.upstreams.items() if name in self.routes_to)

    @cached_property
    def _limits(self) -> Mapping[str | None, tuple[tuple[int, RateLimit], ...]]:
        """Limits by the route that they name; None for those of every route."""
        found: dict[str | None, list[tuple[int, RateLimit]]] = {}
        for index, limit in enumerate(self.spec.rate_limits):
            for name in dict.fromkeys(limit.routes) if limit.routes is not None else (None,):
                found.setdefault(name, []).append((index, limit))
        return {name: tuple(limits) for name, limits in found.items()}

    def limits_on(self, route: str | None) -> tuple[tuple[int, RateLimit], ...]:
        """The limits that count requests on a route; with None, those that count on every route."""
        found = (*self._limits.get(None, ()), *(self._limits.get(route, ()) if route is not None else ()))
        replaced = {name for _, limit in found for name in limit.instead_of}
        return tuple((index, limit) for index, limit in found if limit.name not in replaced)

    @cached_property
    def holders(self) -> Holders:
        """Each declared role with those who have it."""
        return holders(self.spec.roles)

    def roles_of(self, rule: AccessRule) -> tuple[str, ...] | None:
        """The roles that a rule is for, with those that inherit them; None for any caller."""
        return of_rule(rule, self.spec.roles, self.holders)

    @cached_property
    def can_have(self) -> Mapping[str, bool]:
        """Whether any caller can have a role, a plan, or an attribute of a name (which is not there if nobody can).

        Keys in Redis may carry anything.
        """
        authentication = self.spec.authentication
        keys, issuers = authentication.api_keys is not None, authentication.jwt
        maps = [mapping for issuer in issuers for mapping in issuer.claims.map]
        given = [issuer.claims.attributes for issuer in issuers] + [mapping.attributes for mapping in maps]
        owners = authentication.certificates
        given += [owner.attributes for owner in owners]
        attributes = {name: True for names in given for name in names}
        return {
            **attributes,
            "": keys,
            "role": keys
            or any(owner.roles for owner in owners)
            or any(issuer.claims.roles is not None for issuer in issuers)
            or any(one.roles for one in maps),
            "plan": keys
            or any(owner.plan for owner in owners)
            or any(i.claims.plan is not None for i in issuers)
            or any(one.plan for one in maps),
        }


def granting(route: Route) -> tuple[tuple[int, AccessRule], ...]:
    """The rules of a route that can let somebody in, with their indices."""
    return tuple((index, rule) for index, rule in enumerate(rules_of(route)) if rule.grants)


def rules_of(route: Route) -> tuple[AccessRule, ...]:
    """The access rules of a route; none when it is public, and one that grants to all for ``authenticated``."""
    if isinstance(route.access, str):
        return () if route.access == "public" else (AccessRule(),)
    return route.access if isinstance(route.access, tuple) else (route.access,)
