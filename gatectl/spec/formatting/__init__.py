"""One way to write a spec: the text again, tidied, with every comment kept and the same meaning.

Indentation is two blanks for each level, quotes are double where that needs no escapes, top-level fields stand in the
order of the language. The order of lists is never touched: the first route that matches wins. Brackets that span
several lines stay as they were broken.
"""

import json

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.spec.formatting import layout, sections
from gatectl.spec.formatting.style import NotWritableError, rewritten
from gatectl.spec.tree import Node, Reader

ROUNDS = 3
"""A text must come to rest within so many rewritings."""


def formatted(name: str, text: str) -> str:
    """``text`` as it should be written. Raises SpecError when it is not YAML, or cannot be written so unharmed."""
    before = _read(name, text)
    try:
        found = _settled(text)
    except NotWritableError as error:
        raise _refusal(name, str(error)) from None
    if _meaning(before) != _meaning(_read(name, found)):
        raise _refusal(name, "its meaning would change")
    if layout.comments(text) != layout.comments(found):
        raise _refusal(name, "a comment would get lost")
    return found


def _settled(text: str) -> str:
    text = layout.plain_lines(text)
    if layout.is_flow(text):  # JSON, or one pair of braces: there is nothing to lay out
        return text
    for _ in range(ROUNDS):
        before, text = text, rewritten(layout.tidied(sections.ordered(text)))
        if text == before:
            return text
    raise NotWritableError("it does not come to rest")


def _read(name: str, text: str) -> Node:
    """The tree; a reference to the environment stays as it is written: which value there is today is no matter."""
    reader = Reader(name, None)
    tree = reader.read(text)
    if tree is None or reader.diagnostics:
        raise SpecError(reader.diagnostics)
    return tree


def _meaning(tree: Node) -> str:
    """Types and all: 1, 1.0, true and "1" differ. The order of fields is none of it, that of lists is."""
    return json.dumps(_typed(tree), sort_keys=True)


def _typed(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _typed(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_typed(child) for child in node.value]
    return f"{type(node.value).__name__} {node.value}"


def _refusal(name: str, why: str) -> SpecError:
    hint = "nothing was changed; please report what it looks like"
    return SpecError([Diagnostic("GC0005", f"the file cannot be formatted: {why}", Location(name, 1, 1), hint)])
