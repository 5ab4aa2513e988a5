"""YAML text → a tree that remembers where everything stood.

YAML 1.2 core scalars only (``no``, ``on``, ``012`` and ``1:30`` mean what they look like). Environment references are
filled in here, leaf by leaf, so that a value can never add structure; what comes from the environment is text until a
field wants a number, and its value is never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from gatectl.diagnostics import Diagnostic, Location
from serving.yaml_nodes import BoundedLoader, YamlError, compose

A_SPEC = "a gateway spec"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class Written(NamedTuple):
    """A part of the text of a file."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """A scalar, a mapping or a list. ``source`` is a scalar's text as written, references not filled in."""

    value: "str | int | float | bool | dict[str, Node] | list[Node] | None"
    at: Location
    source: str = ""
    key_at: Location | None = None
    """Where the key of this node stands, when it is the value of one."""
    from_environment: bool = False
    written: "Written | None" = None
    """Where a scalar stands in its file."""

    def place(self, offset: int) -> Location:
        """The place of the character at ``offset`` of a text, through quotes, escapes and folded lines."""
        if self.written is None or self.from_environment or not isinstance(self.value, str):
            return self.at
        text, at = self.written.text, self.written.start
        for character in self.value[: offset + 1]:
            if not character.isspace():
                at = text.find(character, at, self.written.end) + 1
                if not at:
                    return self.at
        before = text[: at - 1]
        return Location(self.at.file, before.count("\n") + 1, len(before) - before.rfind("\n"))

    def plain(self, instead: Mapping[int, Any] | None = None) -> Any:
        """The bare data: dicts, tuples and scalars; ``instead`` replaces some scalars, by the ``id`` of their node."""
        if isinstance(self.value, dict):
            return {key: node.plain(instead) for key, node in self.value.items()}
        if isinstance(self.value, list):
            return tuple(node.plain(instead) for node in self.value)
        return instead.get(id(self), self.value) if instead else self.value

    @property
    def shown(self) -> str:
        """A scalar as messages may quote it: as written, so that nothing from the environment is shown."""
        return self.source if self.from_environment else str(self.value)

    def find(self, path: tuple[int | str, ...]) -> "Node":
        """The node at ``path``, or the nearest one above it. Steps that are no part of the data are passed over."""
        node = self
        for step in path:
            if isinstance(node.value, dict):
                node = node.value.get(str(step), node)
            elif isinstance(node.value, list) and isinstance(step, int):
                node = node.value[step]
        return node


class _Loader(BoundedLoader):
    """The implicit types are those of YAML 1.2's core schema."""


_CORE = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": re.compile(r"null|Null|NULL|~|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
}
"""How a scalar of each type is written; anything else is text."""
_TYPES = {*_PATTERNS, "str", "map", "seq"}
_Loader.yaml_implicit_resolvers = {}
for _kind, _first in {
    "null": ["n", "N", "~", ""],
    "bool": [*"tTfF"],
    "int": [*"-+0123456789"],
    "float": [*"-+.0123456789"],
}.items():
    _Loader.add_implicit_resolver(f"{_CORE}{_kind}", re.compile(rf"(?:{_PATTERNS[_kind].pattern})\Z"), _first)


class Reader:
    """Reads one text; ``what`` it is, messages say. Without ``environ``, ``${`` is text like any other."""

    def __init__(self, file: str, environ: Mapping[str, str] | None, what: str = A_SPEC) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._file, self._environ, self._what = file, environ, what
        self._text = ""

    def read(self, text: str) -> Node | None:
        """Parse ``text``; None when there is no tree to go on with. Mistakes are in ``diagnostics``."""
        self._text = text.removeprefix("\ufeff")
        try:
            root = compose(text, _Loader)
        except YamlError as error:
            self._report("GC0002", str(error), Location(self._file, error.line, error.column))
            return None
        if root is None:
            hint = "`gatectl init` writes a start" if self._what == A_SPEC else None
            self._report("GC0002", "the file is empty", Location(self._file, 1, 1), hint)
            return None
        if not isinstance(root, yaml.MappingNode):
            self._report("GC0102", f"{self._what} is a mapping of fields", self._at(root))
            return None
        return self._convert(root, None)

    def _convert(self, node: yaml.Node, key_at: Location | None) -> Node:
        at = self._at(node)
        self._refuse_foreign_tag(node)
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node), at, key_at=key_at)
        if isinstance(node, yaml.SequenceNode):
            return Node([self._convert(item, None) for item in node.value], at, key_at=key_at)
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, at, key_at)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        fields: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key_at = self._at(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._report("GC0102", "a key must be a plain word", key_at)
                continue
            self._refuse_foreign_tag(key_node)
            key = str(key_node.value)
            if key in fields:
                first = fields[key].key_at
                self._report(
                    "GC0003", f'"{key}" stands twice', key_at, f"first on line {first.line}" if first else None
                )
                continue
            fields[key] = self._convert(value_node, key_at)
        return fields

    def _scalar(self, node: yaml.ScalarNode, at: Location, key_at: Location | None) -> Node:
        text = str(node.value)
        filled, from_environment = self._fill(text, at)
        kind = "str" if from_environment else str(node.tag).removeprefix(_CORE)
        value: str | int | float | bool | None
        if kind in _PATTERNS and not _PATTERNS[kind].fullmatch(filled):  # only an explicit tag can claim that
            self._report("GC0102", f'"{text}" is not written as a YAML {kind}', at)
            value = None
        elif kind == "null":
            value = None
        elif kind == "bool":
            value = filled.lower() == "true"
        elif kind == "int":
            value = int(filled) if len(filled) <= 20 else filled  # CPython refuses to parse thousands of digits
        elif kind == "float":
            value = float(filled)
        else:
            value = filled
        written = Written(self._text, node.start_mark.index + bool(node.style), node.end_mark.index)
        return Node(value, at, text, key_at, from_environment, written)

    def _refuse_foreign_tag(self, node: yaml.Node) -> None:
        tag = str(node.tag)
        if not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in _TYPES:
            self._report("GC0102", f"the YAML tag {tag} is not supported", self._at(node))

    def _fill(self, text: str, at: Location) -> tuple[str, bool]:
        """``text`` with its references filled in, and whether there were any. ``$${`` stands for a literal ``${``."""
        found = False

        def replace(match: re.Match[str]) -> str:
            nonlocal found
            if match[0] == "$${":
                return "${"
            found = True
            variable = _VARIABLE.fullmatch(match[1])
            if variable is None or not match[0].endswith("}"):
                hint = "write ${NAME}, ${NAME:-default}, or $${ for a literal ${"
                self._report("GC0004", f'"{match[0]}" is not an environment reference', at, hint)
                return ""
            value = (self._environ or {}).get(variable[1])
            if not value and variable[2] is not None:
                return variable[2]
            if value is None:
                hint = f"set it, or give a default: ${{{variable[1]}:-…}}"
                self._report("GC0004", f"the environment variable {variable[1]} is not set", at, hint)
                return ""
            return value

        return (_REFERENCE.sub(replace, text), found) if "$" in text and self._environ is not None else (text, False)

    def _at(self, node: yaml.Node) -> Location:
        return Location(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _report(self, code: str, message: str, at: Location | None, hint: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, at, hint))
