"""Names for shell completion, from the spec that the command line names with `-f`: fast, and silent on any error.

Each function goes into a parameter as ``autocompletion=``.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gatectl.spec.tree import Node


def routes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of routes."""
    return _like(incomplete, _names(_tree(ctx), "routes"))


def upstreams(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of upstreams."""
    return _like(incomplete, _keys(_tree(ctx), "upstreams"))


def limits(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of rate limits."""
    return _like(incomplete, _names(_tree(ctx), "rate_limits"))


def issuers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of token issuers."""
    return _like(incomplete, _names(_tree(ctx), "authentication", "jwt"))


def roles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Roles that the spec mentions anywhere."""
    return _like(incomplete, _roles(_tree(ctx)))


def objects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the kind that the argument ``kind`` says."""
    by_kind = {"routes": routes, "upstreams": upstreams, "limits": limits, "issuers": issuers}
    listed = by_kind.get(str(ctx.params.get("kind")))
    return listed(ctx, incomplete) if listed else []


def _like(incomplete: str, names: Iterable[str]) -> list[str]:
    """Those that begin so; what comes from the environment has no name here."""
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete) and "${" not in name]


def _tree(ctx: typer.Context) -> "Node | None":
    """The files as they are written, laid over each other; None when they cannot be read."""
    from gatectl.diagnostics import SpecError
    from gatectl.spec import sources
    from gatectl.spec.overlay import merge
    from gatectl.spec.tree import Reader

    tree: Node | None = None
    try:
        for file in sources.expand(ctx.params.get("files") or ["gateway.yaml"]):
            if file == sources.STDIN:
                return None
            read = Reader(file, None).read(sources.read(file).text)
            tree = read if tree is None or read is None else merge(tree, read)
    except SpecError:
        return None
    return tree


def _find(node: "Node | None", *path: str) -> "Node | None":
    for step in path:
        node = node.value.get(step) if node is not None and isinstance(node.value, dict) else None
    return node


def _keys(tree: "Node | None", *path: str) -> list[str]:
    node = _find(tree, *path)
    return list(node.value) if node is not None and isinstance(node.value, dict) else []


def _names(tree: "Node | None", *path: str) -> list[str]:
    node = _find(tree, *path)
    items = node.value if node is not None and isinstance(node.value, list) else []
    found = (_find(item, "name") for item in items)
    return [name.value for name in found if name is not None and isinstance(name.value, str)]


def _roles(node: "Node | None") -> list[str]:
    """Every entry of a list called ``roles`` or ``role``, wherever it stands."""
    if node is None or not isinstance(node.value, (dict, list)):
        return []
    if isinstance(node.value, list):
        return [role for item in node.value for role in _roles(item)]
    found: list[str] = []
    for name, child in node.value.items():
        if name in {"roles", "role"} and isinstance(child.value, list):
            found += [item.value for item in child.value if isinstance(item.value, str)]
        found += _roles(child)
    return found
