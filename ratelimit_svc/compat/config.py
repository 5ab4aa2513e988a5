"""The rules of envoyproxy/ratelimit and how a descriptor finds its rule. Pure.

A rule stands in a tree of descriptors. On each level an entry takes the node that names its key and value, else the
first in the order of the files that has a ``*`` and matches, else the one that names its key alone. The rule
of the last entry's node holds; a node deeper or higher does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ratelimit_svc.compat.yaml_tree import Place

UNIT_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
"""Length of each unit. Windows start at multiples of it since the epoch, so weeks start on Thursdays."""

Entry = tuple[str, str]
"""Key and value of an entry of a descriptor."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``requests`` in each window of ``multiplier`` units."""

    requests: int
    unit: str
    multiplier: int = 1

    @property
    def window_s(self) -> int:
        """The window in seconds."""
        return UNIT_SECONDS[self.unit] * self.multiplier


@dataclass(frozen=True)
class Rule:
    """What a descriptor of the files says about the calls that find it. ``rate`` None: unlimited.

    ``path`` is its name in metrics: the domain and the keys and values that lead to it, joined by dots.
    """

    path: str
    rate: Rate | None
    name: str = ""
    replaces: tuple[str, ...] = ()
    shadow: bool = False
    """Counted, never refused."""
    quota: bool = False
    """Refuses only where every other such rule of the call refuses as well."""
    detailed_metric: bool = False


class Pattern:
    """A text in which ``*`` stands for any characters. Matches in linear time: the value is the client's."""

    def __init__(self, text: str) -> None:
        self._first, *self._middle = text.split("*")
        self._last = self._middle.pop() if self._middle else None

    def matches(self, value: str) -> bool:
        """Whether the whole of ``value`` is of this form."""
        if self._last is None:
            return value == self._first
        end = len(value) - len(self._last)
        if not value.startswith(self._first) or not value.endswith(self._last) or end < len(self._first):
            return False
        at = len(self._first)
        for part in self._middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True)
class Node:
    """A descriptor of the files. ``value`` empty: whatever the value is."""

    key: str
    value: str = ""
    rule: Rule | None = None
    share_threshold: bool = False
    value_to_metric: bool = False
    level: "Level" = field(default_factory=lambda: Level(()))
    place: Place | None = None

    @property
    def has_wildcard(self) -> bool:
        """Whether it is found by a pattern, which its key may be part of as well."""
        return "*" in self.key + self.value


class Level:
    """The descriptors below one, or at the top of a domain. No two have the same key and value.

    A ``*`` in a key is matched as the reference does it: against the entry's key and value, joined by ``_``.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = tuple(nodes)
        self._exact = {(node.key, node.value): node for node in self.nodes}
        self._patterns = [
            (node, Pattern(label(node.key, node.value) if "*" in node.key else node.value))
            for node in self.nodes
            if node.has_wildcard
        ]

    def find(self, entry: Entry) -> Node | None:
        """The node that an entry takes."""
        key, value = entry
        if value and (node := self._exact.get(entry)) is not None:
            return node
        for node, pattern in self._patterns:
            if pattern.matches(f"{key}_{value}") if "*" in node.key else node.key == key and pattern.matches(value):
                return node
        return self._exact.get((key, ""))


@dataclass(frozen=True, slots=True)
class Found:
    """The rule of a descriptor; ``counted`` is whom it counts, ``metric`` its name in metrics.

    Two descriptors with equal ``counted`` and windows share a counter. An entry found under ``share_threshold`` has its
    pattern, key and value, for a value.
    """

    rule: Rule
    counted: tuple[tuple[str, ...], ...]
    metric: str


@dataclass(frozen=True)
class Config:
    """Everything the files of a directory say. ``revision`` changes with every byte of them."""

    revision: str
    domains: dict[str, Level]

    @cached_property
    def rules(self) -> int:
        """How many rules there are."""
        return sum(_rules(level) for level in self.domains.values())

    def match(self, domain: str, entries: Sequence[Entry]) -> Found | None:
        """The rule that holds for a descriptor; None when none does."""
        level = self.domains.get(domain)
        if level is None:
            return None
        way: list[Node] = []
        for entry in entries:
            node = level.find(entry)
            if node is None:
                return None
            way.append(node)
            level = node.level
        if not way or (rule := way[-1].rule) is None:
            return None
        counted = tuple(
            (entry[0], node.key, node.value) if node.share_threshold else entry
            for entry, node in zip(entries, way, strict=True)
        )
        return Found(rule, counted, _metric(domain, rule, entries, way))


def label(key: str, value: str) -> str:
    """A descriptor in a metric's name."""
    return f"{key}_{value}" if value else key


def _metric(domain: str, rule: Rule, entries: Sequence[Entry], way: Sequence[Node]) -> str:
    """``rule.path``, with the values of the call where the files ask for them."""
    if not rule.detailed_metric and not any(node.value_to_metric for node in way):
        return rule.path
    parts = [
        label(*entry) if (rule.detailed_metric or node.value_to_metric) and not node.share_threshold
        else label(node.key, node.value)
        for entry, node in zip(entries, way, strict=True)
    ]  # fmt: skip
    return ".".join([domain, *parts])


def _rules(level: Level) -> int:
    return sum((node.rule is not None) + _rules(node.level) for node in level.nodes)
