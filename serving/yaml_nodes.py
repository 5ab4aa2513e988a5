"""YAML text → the nodes of PyYAML, which know where they stand. Bounded: a file must not end the process."""

from typing import Any

import yaml

MAX_NODES = 250_000
"""Aliases can make a small file expand without end; 2000 routes are some 100,000 nodes."""
MAX_DEPTH = 64
"""No file of ours needs 20. Composing and all that follows recurses, and the stack of C ends without an exception."""


class YamlError(ValueError):
    """What is no YAML, or far too much of it. ``line`` and ``column`` count from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


class BoundedLoader(yaml.CSafeLoader):
    """Composes nodes; the composer itself has no bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:  # noqa: ARG002 - an override
        """Called on the way into every node."""
        self._nodes, self._depth = self._nodes + 1, self._depth + 1
        if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
            mark = current_node.start_mark if current_node else None
            problem = "is nested too deeply" if self._depth > MAX_DEPTH else "is far too large"
            raise yaml.MarkedYAMLError(problem=f"the file {problem}", problem_mark=mark)

    def ascend_resolver(self) -> None:
        """Called on the way out."""
        self._depth -= 1


def compose(text: str, loader: type[BoundedLoader] = BoundedLoader) -> yaml.Node | None:
    """The root of the only document; None when there is none. What aliases stand for is the same node again, and with
    all of them followed the bounds still hold. Raises YamlError.
    """
    try:
        composing = loader(text)
        try:
            root = composing.get_single_node()
        finally:
            composing.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.context, error.problem))) or "not YAML"
        raise YamlError(problem, *((mark.line + 1, mark.column + 1) if mark else (1, 1))) from None
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")
        raise YamlError(f"{error.reason} (#x{error.character:04x})", *_end(before)) from None
    except UnicodeEncodeError as error:  # a lone surrogate: a byte of the file that is no UTF-8
        raise YamlError("the file is not UTF-8", *_end(text[: error.start])) from None
    if root is not None:
        _measure(root, {})
    return root


def _measure(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many nodes there are from here on, aliases followed, and how deep they are nested."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 1
    measured = known[id(node)] if id(node) in known else _sum(node, known)
    if measured is None or measured[0] > MAX_NODES or measured[1] > MAX_DEPTH:
        mark = node.start_mark
        raise YamlError("an alias makes the file endless or far too large", mark.line + 1, mark.column + 1)
    known[id(node)] = measured
    return measured


def _sum(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    known[id(node)] = None  # found again before it is known, it is in itself
    children = (one for child in node.value for one in (child if isinstance(child, tuple) else (child,)))
    sizes, depths = zip(*(_measure(child, known) for child in children), strict=True) if node.value else ((), (0,))
    return 1 + sum(sizes), 1 + max(depths)


def _end(text: str) -> tuple[int, int]:
    """Line and column of what follows a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")
