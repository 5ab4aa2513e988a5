"""Two specs, and what lies between them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatectl.changes import effects, objects, resources, words
from gatectl.changes.resources import Contents, contents
from gatectl.compiler import compile_spec
from gatectl.render.bundle import Bundle, build
from gatectl.spec.load import load
from gatectl.spec.record import Record, record

KEY = b"k" * 32
Edit = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Side:
    """One spec, as far as a plan looks at it."""

    bundle: Bundle
    record: Record

    @property
    def contents(self) -> Contents:
        """What is in the bundle."""
        return contents(self.bundle)


def side(directory: Path, spec: Any, environ: Mapping[str, str] | None = None, key: bytes = KEY) -> Side:
    """A spec as text, or as data: JSON is YAML."""
    path = directory / "gateway.yaml"
    path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
    read, tree = load([str(path)], environ or {})
    return Side(build(compile_spec(read)), record(read, tree, ["gateway.yaml"], key))


def said(changes: tuple[objects.Change, ...]) -> list[str]:
    return [f"{sign} {text}" for change in changes for sign, text in words.lines(change)]


def of_spec(before: Side | None, after: Side) -> list[str]:
    """The lines about the spec's own objects."""
    return said(objects.diff(before.record if before else None, after.record))


def of_resources(before: Side, after: Side) -> list[str]:
    """The lines about what it renders to."""
    return said(resources.diff(before.contents, after.contents, before.record, after.record))


def warnings(before: Side, after: Side) -> list[str]:
    found = effects.effects(before.contents, after.contents)
    return [f"{one.kind} {one.object}: {one.message}" for one in found]
