"""Small specs for tests, and from text to bundle in one step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gatectl.compiler import compile_spec
from gatectl.diagnostics import SpecError
from gatectl.render.bundle import Bundle, build
from gatectl.spec.load import load
from gatectl.spec.model import Spec
from gatectl.spec.tree import Node, Reader

MINIMAL: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "listener": {"address": "127.0.0.1"},
    "authentication": {"api_keys": {}},
    "upstreams": {"u": {"endpoints": ["127.0.0.1:9001"]}},
    "routes": [{"name": "r", "match": {"path": "/r"}, "upstream": "u", "access": "public"}],
}


def text(**fields: Any) -> str:
    """The minimal spec with some of its fields replaced."""
    return yaml.safe_dump(MINIMAL | fields, sort_keys=False)


def route(name: str = "r", match: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "match": match or {"path": "/r"}, "upstream": "u", "access": "public", **fields}


def spec(directory: Path, content: str | bytes, environ: Mapping[str, str] | None = None) -> Spec:
    """Load one file."""
    path = directory / "gateway.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load([str(path)], environ or {})[0]


def bundle(directory: Path, **fields: Any) -> Bundle:
    return build(compile_spec(spec(directory, text(**fields))))


def mistakes(directory: Path, content: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    """``line:column code message`` of every mistake; empty when there is none."""
    try:
        spec(directory, content, environ)
    except SpecError as error:
        return [str(one).replace(f"{directory}/gateway.yaml:", "") for one in error.diagnostics]
    return []


def tree(content: str, environ: Mapping[str, str] | None = None) -> tuple[Node | None, list[str]]:
    """What is read of a text, and ``line:column: severity[code] message`` of every mistake."""
    reader = Reader("f", environ or {})
    node = reader.read(content)
    return node, [str(one).removeprefix("f:") for one in reader.diagnostics]
