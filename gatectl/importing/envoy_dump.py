"""An Envoy configuration as it lies there: a config_dump or a bootstrap, and which of its fields were looked at."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.spec.tree import Reader

_SECONDS = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?s")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEEPEST = 100


class Notes:
    """What has to be said. The same sentence about many places is said once, with the first place and their number."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str | None], list[str]] = {}

    def add(self, message: str, place: str = "", hint: str | None = None, *, decided: bool = False) -> None:
        """Something that is not carried over, or (``decided``) that Envoy leaves open."""
        self._places.setdefault(("GC0402" if decided else "GC0401", message, hint), []).append(place)

    def diagnostics(self) -> list[Diagnostic]:
        """All of them, in the order in which they came up."""
        made = []
        for (code, message, hint), places in self._places.items():
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            where = f"{places[0]}{more}: " if places[0] else ""
            made.append(Diagnostic(code, where + message, None, hint, "warning"))
        return made


@dataclass
class Item:
    """A mapping of the dump. Fields are taken; ``untouched`` names what nobody asked for."""

    data: dict[str, Any]
    path: str
    taken: set[str] = field(default_factory=set)
    below: list["Item"] = field(default_factory=list)

    def take(self, name: str, kind: type = object) -> Any:
        """A field; None when it is not there or of another kind."""
        value = self.data.get(name)
        if isinstance(value, kind) and not (kind in {int, float} and isinstance(value, bool)):
            self.taken.add(name)
            return value
        return None

    def item(self, name: str) -> "Item":
        """A field that is a mapping; an empty one when there is none."""
        made = Item(self.take(name, dict) or {}, _step(self.path, name))
        self.below.append(made)
        return made

    def items(self, name: str) -> list["Item"]:
        """The mappings of a list."""
        path = _step(self.path, name)
        values = self.take(name, list) or []
        made = [Item(value, f"{path}[{index}]") for index, value in enumerate(values) if isinstance(value, dict)]
        self.below += made
        return made

    def number(self, name: str) -> int | None:
        """A number, plain or wrapped as ``{value: 1}``; JSON has large ones as text."""
        value = self.take(name)
        if isinstance(value, dict):
            value = value.get("value")
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def duration(self, name: str) -> int | None:
        """Milliseconds; None when there is none. 0 means "never" to Envoy."""
        match = _SECONDS.fullmatch(str(self.take(name)))
        return round(float(f"{match[1]}.{match[2] or 0}") * 1000) if match else None

    def ignore(self, *names: str) -> None:
        """These say nothing that a spec could say, or what every gateway here does anyway."""
        self.taken |= set(names)

    def untouched(self) -> Iterator[tuple[str, str]]:
        """Name and path of every field that nobody took."""
        for name in self.data:
            if name not in self.taken and name != "@type":
                yield name, _step(self.path, name)
        for item in self.below:
            yield from item.untouched()


@dataclass
class Dump:
    """What was found. ``routes`` are route configurations by name, ``endpoints`` load assignments by cluster."""

    gateway: str = ""
    listeners: list[Item] = field(default_factory=list)
    clusters: list[Item] = field(default_factory=list)
    routes: dict[str, Item] = field(default_factory=dict)
    endpoints: dict[str, Item] = field(default_factory=dict)


def read_dump(name: str, text: str) -> Dump:
    """Parse a config_dump or a bootstrap. Raises SpecError when it is neither."""
    data = _parsed(name, text)
    root = Item(data, "")
    dump = Dump()
    if isinstance(data.get("configs"), list):
        for config in root.items("configs"):
            _add_config(dump, config)
    elif isinstance(data.get("static_resources"), dict):
        _add_bootstrap(dump, root)
    else:
        hint = "it has `configs` (a config_dump) or `static_resources` (a bootstrap)"
        raise SpecError([Diagnostic("GC0400", "this is no configuration of Envoy", Location(name, 1, 1), hint)])
    return dump


def _parsed(name: str, text: str) -> dict[str, Any]:
    """JSON at full speed, YAML otherwise."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        reader = Reader(name, None, "a configuration of Envoy")
        tree = reader.read(text)
        if tree is None or reader.diagnostics:
            raise SpecError(reader.diagnostics) from None
        data = _lists(tree.plain())
    if not isinstance(data, dict) or _depth(data) > DEEPEST:
        what = "is nested too deeply" if isinstance(data, dict) else "is not a mapping"
        raise SpecError([Diagnostic("GC0400", f"the document {what}", Location(name, 1, 1))])
    return data


def _lists(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _lists(value) for key, value in data.items()}
    return [_lists(value) for value in data] if isinstance(data, tuple) else data


def _depth(data: Any) -> int:
    """Level by level: what is too deep to recurse into must not be recursed into here."""
    level, depth = [data], 0
    while level and depth <= DEEPEST:
        children = (
            list(one.values()) if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))
        )
        level, depth = [child for some in children for child in some if isinstance(child, (dict, list))], depth + 1
    return depth


def _add_config(dump: Dump, config: Item) -> None:
    for kind in ("static_clusters", "dynamic_active_clusters"):
        dump.clusters += [one.item("cluster") for one in config.items(kind)]
    dump.listeners += [one.item("listener") for one in config.items("static_listeners")]
    dump.listeners += [one.item("active_state").item("listener") for one in config.items("dynamic_listeners")]
    for kind in ("static_route_configs", "dynamic_route_configs"):
        for one in config.items(kind):
            routes = one.item("route_config")
            dump.routes[str(routes.take("name"))] = routes
    for kind in ("static_endpoint_configs", "dynamic_endpoint_configs"):
        for one in config.items(kind):
            endpoints = one.item("endpoint_config")
            dump.endpoints[str(endpoints.take("cluster_name"))] = endpoints
    if "bootstrap" in config.data:
        dump.gateway = str(config.item("bootstrap").item("node").take("cluster", str) or "")


def _add_bootstrap(dump: Dump, root: Item) -> None:
    dump.gateway = str(root.item("node").take("cluster", str) or "")
    resources = root.item("static_resources")
    dump.clusters += resources.items("clusters")
    dump.listeners += resources.items("listeners")


def _step(path: str, name: str) -> str:
    """As jq writes it."""
    return f"{path}.{name}" if _WORD.fullmatch(name) else f'{path}["{name}"]'


def span(milliseconds: int) -> str:
    """Milliseconds as the language writes them."""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
