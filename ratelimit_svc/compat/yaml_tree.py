"""YAML text → a tree that remembers where everything stood. Bounded: a file must not end the process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

MAX_NODES = 250_000
"""Some thirty thousand rules, aliases expanded."""
MAX_DEPTH = 64
"""Composing recurses; configurations need less than twenty levels."""
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands: line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, order=True)
class Finding:
    """Something to say about a file. An ``error`` keeps it from being obeyed, a ``warning`` does not."""

    place: Place
    message: str
    is_error: bool = True

    def __str__(self) -> str:
        """``file:line:column: message``."""
        return f"{self.place}: {self.message}"


@dataclass(frozen=True)
class Leaf:
    """A scalar: its text, and ``kind``: null, bool, int, float or str, as YAML 1.1 reads it where it is not quoted."""

    text: str
    kind: str
    place: Place


@dataclass(frozen=True)
class Mapping:
    """Fields by name, in the order of the file, each with the place of its key."""

    fields: dict[str, tuple[Place, "Tree"]]
    place: Place


@dataclass(frozen=True)
class Sequence:
    """Items in the order of the file."""

    items: tuple["Tree", ...]
    place: Place


Tree = Leaf | Mapping | Sequence


class _Loader(yaml.CSafeLoader):
    """Composes nodes, not without bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:  # noqa: ARG002 - an override
        """Called on the way into every node."""
        self._nodes, self._depth = self._nodes + 1, self._depth + 1
        if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
            mark = current_node.start_mark if current_node else None
            raise yaml.MarkedYAMLError(problem="the file is nested too deeply or too large", problem_mark=mark)

    def ascend_resolver(self) -> None:
        """Called on the way out."""
        self._depth -= 1


class _EndlessError(Exception):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class YamlReader:
    """Reads one file; what is wrong with it is in ``findings``. Anchors and ``<<`` are followed."""

    def __init__(self, file: str) -> None:
        self.findings: list[Finding] = []
        self._file, self._count = file, 0

    def read(self, text: str) -> Tree | None:
        """The tree of ``text``; None when it is empty or no YAML."""
        try:
            loader = _Loader(text)
            try:
                root = loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file, 1, 1)
            self._tell(place, " ".join(filter(None, (error.context, error.problem))) or "this is not YAML")
            return None
        except (yaml.reader.ReaderError, UnicodeError):
            self._tell(Place(self._file, 1, 1), "the file holds characters that YAML does not allow")
            return None
        try:
            return None if root is None else self._tree(root, ())
        except _EndlessError as error:
            self._tell(error.place, "an alias makes the file endless or far too large")
            return None

    def _tree(self, node: yaml.Node, above: tuple[int, ...]) -> Tree:
        self._count += 1
        place = self._place(node)
        if id(node) in above or len(above) >= MAX_DEPTH or self._count > MAX_NODES:
            raise _EndlessError(place)
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return Mapping(dict(self._fields(node, above)), place)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(tuple(self._tree(item, above) for item in node.value), place)
        assert isinstance(node, yaml.ScalarNode)
        kind = str(node.tag).removeprefix(_CORE)
        if kind in {"int", "float"} and ":" in node.value:  # PyYAML reads 1:30 as a number, yaml.v2 does not
            kind = "str"
        return Leaf(str(node.value), kind if kind in {"null", "bool", "int", "float"} else "str", place)

    def _fields(self, node: yaml.MappingNode, above: tuple[int, ...]) -> Iterator[tuple[str, tuple[Place, Tree]]]:
        own: dict[str, tuple[Place, Tree]] = {}
        merged: dict[str, tuple[Place, Tree]] = {}
        for key, value in node.value:
            place = self._place(key)
            if not isinstance(key, yaml.ScalarNode):
                self._tell(place, "a key must be a plain word")
                continue
            tree = self._tree(value, above)
            if str(key.tag) == f"{_CORE}merge":
                before = {*own, *merged}  # which YAML lets win, and the reference does not
                for source in tree.items if isinstance(tree, Sequence) else (tree,):
                    if isinstance(source, Mapping):
                        for twice in sorted(before & {*source.fields}):
                            self._tell(place, f'<< brings "{twice}", which stands before it: write << first, and once')
                        merged = source.fields | merged
                    else:
                        self._tell(place, "<< takes a mapping or a list of mappings")
            elif key.value in own:
                self._tell(place, f'"{key.value}" stands twice, first on line {own[key.value][0].line}')
            else:
                own[str(key.value)] = (place, tree)
        yield from (merged | own).items()

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _tell(self, place: Place, message: str) -> None:
        self.findings.append(Finding(place, message))
