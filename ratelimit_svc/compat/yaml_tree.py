"""YAML 1.1 text → a tree that remembers where everything stood."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from serving.yaml_nodes import YamlError, compose

_CORE = "tag:yaml.org,2002:"
_KINDS = {"null", "bool", "int", "float", "str", "timestamp", "value", "merge"}


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


class YamlReader:
    """Reads one file; what is wrong with it is in ``findings``. Anchors and ``<<`` are followed."""

    def __init__(self, file: str) -> None:
        self.findings: list[Finding] = []
        self._file = file

    def read(self, text: str) -> Tree | None:
        """The tree of ``text``; None when it is empty or no YAML."""
        try:
            root = compose(text)
        except YamlError as error:
            self._tell(Place(self._file, error.line, error.column), str(error))
            return None
        return None if root is None else self._tree(root)

    def _tree(self, node: yaml.Node) -> Tree:
        place = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return Mapping(dict(self._fields(node)), place)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(tuple(self._tree(item) for item in node.value), place)
        assert isinstance(node, yaml.ScalarNode)
        kind = str(node.tag).removeprefix(_CORE)
        if kind not in _KINDS:  # !!binary and the like: another text than the one that is written
            self._tell(place, f"the YAML tag {node.tag} is not supported")
        if kind in {"int", "float"} and ":" in node.value:  # PyYAML reads 1:30 as a number, yaml.v2 does not
            kind = "str"
        return Leaf(str(node.value), kind if kind in {"null", "bool", "int", "float"} else "str", place)

    def _fields(self, node: yaml.MappingNode) -> Iterator[tuple[str, tuple[Place, Tree]]]:
        own: dict[str, tuple[Place, Tree]] = {}
        merged: dict[str, tuple[Place, Tree]] = {}
        for key, value in node.value:
            place = self._place(key)
            if not isinstance(key, yaml.ScalarNode):
                self._tell(place, "a key must be a plain word")
                continue
            tree = self._tree(value)
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
