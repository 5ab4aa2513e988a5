"""An OpenAPI document as it lies there: its tree, its local references, and what has to be said about it."""

import re
from collections.abc import Iterator

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.spec.tree import Node, Reader

_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
LONGEST_CHAIN = 20
"""References that lead to references."""


class Document:
    """Reads an OpenAPI 3 document. Raises SpecError when it is none."""

    def __init__(self, name: str, text: str) -> None:
        reader = Reader(name, None, "an OpenAPI document")
        tree = reader.read(_SURROGATES.sub(_one_character, text))
        if tree is None:
            raise SpecError(reader.diagnostics)
        self.tree, self.notes = tree, [_softened(mistake) for mistake in reader.diagnostics]
        version = self.field(tree, "openapi")
        if self.field(tree, "swagger") is not None:
            hint = "convert it to OpenAPI 3 first"
            raise SpecError([Diagnostic("GC0400", "Swagger 2 documents are not supported", tree.at, hint)])
        if version is None or not str(version.source).startswith("3."):
            hint = "it begins with `openapi: 3.0.3` or `openapi: 3.1.0`"
            raise SpecError([Diagnostic("GC0400", "this is not an OpenAPI 3 document", tree.at, hint)])

    def note(self, message: str, at: Location, hint: str | None = None, *, decided: bool = False) -> None:
        """Something that is not carried over, or (``decided``) that the document leaves open."""
        self.notes.append(Diagnostic("GC0402" if decided else "GC0401", message, at, hint, "warning"))

    def resolved(self, node: Node) -> Node | None:
        """What a node stands for; None, and a note, when its reference leads nowhere, round in circles or away."""
        for _ in range(LONGEST_CHAIN):
            reference = node.value.get("$ref") if isinstance(node.value, dict) else None
            if reference is None:
                return node
            found = self._follow(str(reference.value))
            if found is None:
                self.note(
                    f'the reference "{_short(str(reference.value))}" leads nowhere in this document', reference.at
                )
                return None
            node = found
        self.note("a reference that leads from one to the next without end", node.at)
        return None

    def _follow(self, reference: str) -> Node | None:
        if not reference.startswith("#/"):
            return None
        node = self.tree
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node.value, dict) and key in node.value:
                node = node.value[key]
            elif isinstance(node.value, list) and key.isdecimal() and len(key) < 6 and int(key) < len(node.value):
                node = node.value[int(key)]
            else:
                return None
        return node

    def field(self, node: Node, name: str) -> Node | None:
        """A field of a mapping; None when it is not there."""
        return node.value.get(name) if isinstance(node.value, dict) else None

    def fields(self, node: Node | None, what: str) -> Iterator[tuple[str, Node]]:
        """The fields of a mapping; anything else is told."""
        if node is not None and isinstance(node.value, dict):
            yield from node.value.items()
        elif node is not None:
            self.note(f"{what} must be a mapping", node.at)

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The entries of a list; anything else is told."""
        if node is not None and isinstance(node.value, list):
            return node.value
        if node is not None:
            self.note(f"{what} must be a list", node.at)
        return []

    def text(self, node: Node | None, name: str) -> str | None:
        """A field that is text; None when it is not there or something else."""
        found = self.field(node, name) if node is not None else None
        return found.value if found is not None and isinstance(found.value, str) else None


def _softened(mistake: Diagnostic) -> Diagnostic:
    """What the reader could not take is left out, and told like everything that is."""
    return Diagnostic("GC0401", mistake.message, mistake.location, mistake.hint, "warning")


def _one_character(pair: re.Match[str]) -> str:
    """JSON writes a character beyond the basic plane as two; YAML knows no such halves."""
    return pair[1] + bytes.fromhex(pair[2] + pair[3]).decode("utf-16-be")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
