"""Which requests the routes of a bundle take, as far as a comparison of two bundles needs it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatectl.changes.resources import Contents

VARIABLE = None
"""A segment of a path template that takes any value."""
ANY_HOST = "*"


@dataclass(frozen=True)
class Reach:
    """The requests that a route's match describes. ``open``: further segments may follow. ``methods`` None: any."""

    segments: tuple[str | None, ...]
    open: bool
    methods: frozenset[str] | None
    headers: tuple[Any, ...]

    @property
    def head(self) -> tuple[str | None, ...]:
        """The literal segments that every path of it begins with."""
        return self.segments[: self.segments.index(VARIABLE)] if VARIABLE in self.segments else self.segments

    def meets(self, other: "Reach") -> bool:
        """May there be a request of both? When in doubt, yes."""
        if not all(
            one == two or VARIABLE in (one, two) for one, two in zip(self.segments, other.segments, strict=False)
        ):
            return False
        mine, others = len(self.segments), len(other.segments)
        if (mine < others and not self.open) or (others < mine and not other.open):
            return False
        return self.methods is None or other.methods is None or not self.methods.isdisjoint(other.methods)

    def within(self, wide: "Reach") -> bool:
        """Does ``wide`` take every request of this one? When in doubt, no."""
        if wide.open:
            long_enough = len(wide.segments) <= len(self.segments)
        else:
            long_enough = not self.open and len(wide.segments) == len(self.segments)
        return (
            long_enough
            and all(two in (VARIABLE, one) for one, two in zip(self.segments, wide.segments, strict=False))
            and (wide.methods is None or (self.methods is not None and self.methods <= wide.methods))
            and all(header in self.headers for header in wide.headers)
        )


class Routing:
    """Every route of a bundle, and the order in which they are tried for a host name."""

    def __init__(self, contents: Contents) -> None:
        self.routes: dict[str, dict[str, Any]] = {
            name: route for name, route in contents.of("envoy route").items() if "route" in route
        }
        self.reach = {name: _reach(route["match"]) for name, route in self.routes.items()}
        self._at: dict[tuple[str | None, ...], list[str]] = {}
        self._under: dict[tuple[str | None, ...], list[str]] = {}
        for name, reach in self.reach.items():
            head = reach.head
            self._at.setdefault(head, []).append(name)
            for length in range(len(head) + 1):
                self._under.setdefault(head[:length], []).append(name)
        self._order = {
            domain: {name: index for index, name in enumerate(host["routes"]) if name in self.routes}
            for host in contents.of("virtual host").values()
            for domain in host["domains"]
        }

    def near(self, reach: Reach) -> set[str]:
        """The routes that may meet a reach, looked up by their heads: 2000 routes are not 4,000,000 pairs."""
        head = reach.head
        found = set(self._under.get(head, ()))
        return found.union(*(self._at.get(head[:length], ()) for length in range(len(head))))

    @property
    def domains(self) -> set[str]:
        """Every host name, or pattern of some, that has routes of its own."""
        return set(self._order)

    def order(self, domain: str) -> dict[str, int]:
        """Route → its turn for requests to ``domain``; Envoy looks into its most specific virtual host only."""
        if domain in self._order:
            return self._order[domain]
        wild = [one for one in self._order if one.startswith("*.") and domain.endswith(one[1:])]
        return self._order[max(wild, key=len, default=ANY_HOST)]

    def domains_of(self, route: str) -> Iterator[str]:
        """Where a route is tried."""
        return (domain for domain, order in self._order.items() if route in order)


def _reach(match: dict[str, Any]) -> Reach:
    headers = match.get("headers", [])
    methods = [one["string_match"]["safe_regex"]["regex"] for one in headers if one["name"] == ":method"]
    return Reach(
        *_path(match),
        frozenset(methods[0].split("|")) if methods else None,
        tuple(one for one in headers if one["name"] != ":method"),
    )


def _path(match: dict[str, Any]) -> tuple[tuple[str | None, ...], bool]:
    if "path_match_policy" in match:
        template = match["path_match_policy"]["typed_config"]["path_template"].split("/")[1:]
        return tuple(VARIABLE if segment.startswith("{") else segment for segment in template), False
    if "path" in match:
        return tuple(match["path"].split("/")[1:]), False
    prefix = match.get("path_separated_prefix", "")
    return tuple(prefix.split("/")[1:]), True
