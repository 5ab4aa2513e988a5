"""The objects of a spec by kind, each with its place and what applies to it. Nothing from the environment is shown."""

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from gatectl.diagnostics import GatectlError
from gatectl.spec.holding import holding
from gatectl.spec.load import load
from gatectl.spec.model import Adaptive, Jwt, RateLimit, Route, Spec, Upstream
from gatectl.spec.tree import Node

Entry = dict[str, Any]
Names = dict[str, str]
"""Name in the spec → name as it may be shown."""
PATHS = {
    "routes": ("routes",),
    "upstreams": ("upstreams",),
    "limits": ("rate_limits",),
    "issuers": ("authentication", "jwt"),
}
"""Kind → where its objects stand."""


def listing(files: Sequence[str], kind: str, name: str | None = None) -> list[Entry]:
    """All objects of a kind (of ``PATHS``), or the one called ``name``.

    Raises SpecError when the spec is wrong, GatectlError when there is no such object.
    """
    spec, tree = load(files)
    names = {found: _called(found, node) for kinds in PATHS for found, node in _objects(tree, kinds)}
    entries = [LISTED[kind](spec, found, node, names) for found, node in _objects(tree, kind)]
    if name is None:
        return entries
    chosen = [entry for entry in entries if entry["name"] == name]
    if not chosen:
        known = [entry["name"] for entry in entries]
        near = difflib.get_close_matches(name, known, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(known) or 'none'}"
        raise GatectlError(f'there is no "{name}" among the {kind}: {hint}')
    return chosen


def _objects(tree: Node, kind: str) -> list[tuple[str, Node]]:
    """Every object with its name in the spec, which is not always what may be shown of it."""
    node: Node | None = tree
    for step in PATHS[kind]:
        node = node.value.get(step) if node is not None and isinstance(node.value, dict) else None
    if node is None:
        return []
    if isinstance(node.value, dict):
        return list(node.value.items())
    items = node.value if isinstance(node.value, list) else []
    return [(str(item.find(("name",)).value), item) for item in items]


def _route(spec: Spec, name: str, node: Node, names: Names) -> Entry:
    upstream = spec.routes[[route.name for route in spec.routes].index(name)].upstream
    return _entry(name, node) | {
        "match": _field(node, "match"),
        "upstream": _field(node, "upstream"),
        "access": _field(node, "access"),
        "limits": [names[one.name] for one in holding(spec.rate_limits, name)],
        "cost": _field(node, "cost", Route.model_fields["cost"].default),
        "timeout": _field(node, "timeout", f"of {names[upstream]}"),
    }


def _upstream(spec: Spec, name: str, node: Node, names: Names) -> Entry:
    return _entry(name, node) | {
        "endpoints": _field(node, "endpoints"),
        "protocol": _field(node, "protocol", Upstream.model_fields["protocol"].default),
        "tls": _verified(node),
        "load_balancing": _field(node, "load_balancing", Upstream.model_fields["load_balancing"].default),
        "timeout": _field(node, "timeout", f"{Upstream.model_fields['timeout'].default // 1000}s"),
        "routes": [names[route.name] for route in spec.routes if route.upstream == name],
    }


def _verified(node: Node) -> str:
    """Whether requests leave in ``plain`` text, by TLS with a certificate that is ``verified``, or ``unverified``."""
    tls = node.value.get("tls") if isinstance(node.value, dict) else None
    if tls is None:
        return "plain"
    return "unverified" if isinstance(tls.value, dict) and "insecure_skip_verify" in tls.value else "verified"


def _limit(spec: Spec, name: str, node: Node, names: Names) -> Entry:
    return _entry(name, node) | {
        "limit": _field(node, "limit"),
        "plans": _field(node, "plans", {}),
        "per": _field(node, "per"),
        "algorithm": _field(node, "algorithm", RateLimit.model_fields["algorithm"].default),
        "adaptive": _adaptive(node),
        "when": _field(node, "when", {}),
        "exempt": _field(node, "exempt", {}),
        "enforce": _field(node, "enforce", RateLimit.model_fields["enforce"].default),
        "response_cost": _field(node, "response_cost"),
        "routes": [
            names[route.name]
            for route in spec.routes
            if name in {limit.name for limit in holding(spec.rate_limits, route.name)}
        ],
    }


def _adaptive(node: Node) -> Entry | None:
    """How an adaptive limit adapts; ``min_percent`` also when it is not written."""
    written = _field(node, "adaptive")
    return {"min_percent": Adaptive.model_fields["min_percent"].default} | written if written is not None else None


def _issuer(_: Spec, name: str, node: Node, __: Names) -> Entry:
    return _entry(name, node) | {
        "issuer": _field(node, "issuer"),
        "audiences": _field(node, "audiences"),
        "algorithms": _field(node, "algorithms", list(Jwt.model_fields["algorithms"].default)),
        "jwks": _field(node, "jwks"),
    }


def _entry(name: str, node: Node) -> Entry:
    return {"name": _called(name, node), "place": str(node.key_at or node.at)}


def _called(name: str, node: Node) -> str:
    """An object's name as it may be shown."""
    own = node.value.get("name") if isinstance(node.value, dict) else None
    return own.shown if own is not None else name


def _field(node: Node, name: str, otherwise: Any = None) -> Any:
    """A field as it may be shown; ``otherwise`` when it is not there."""
    found = node.value.get(name) if isinstance(node.value, dict) else None
    return _shown(found) if found is not None else otherwise


def _shown(node: Node) -> Any:
    """Bare data: as it is, and what comes from the environment as it is written."""
    if isinstance(node.value, dict):
        return {key: _shown(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_shown(child) for child in node.value]
    return node.source if node.from_environment else node.value


LISTED: dict[str, Callable[[Spec, str, Node, Names], Entry]] = {
    "routes": _route,
    "upstreams": _upstream,
    "limits": _limit,
    "issuers": _issuer,
}
