"""What is kept of a spec beside the generation that it became: every word of it but the secrets.

A value that came from the environment is kept as it was written (``${NAME}``), with a keyed fingerprint: enough to see
that it changed, not enough to find out what it is. A literal that looks like a reference is kept as ``$${NAME}``, so
that the two are never confused. What is secret is decided by where a value came from, never by what
it looks like.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gatectl.spec.model import Spec
from gatectl.spec.tree import Node

FINGERPRINT_DIGITS = 16


class Record(BaseModel):
    """A spec without its secrets. Places inside it are named by JSON pointers (RFC 6901)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    files: tuple[str, ...] = ()
    """As the user named them."""
    written: dict[str, Any]
    """What the user wrote, in the notation of the language."""
    effective: dict[str, Any]
    """The same with every default filled in."""
    secrets: dict[str, str] = {}
    """Pointer of a value that came from the environment → its fingerprint."""
    places: dict[str, str] = {}
    """Pointer of a section, or of an entry of it → ``file:line:column``."""


def record(spec: Spec, tree: Node, files: Sequence[str], key: bytes) -> Record:
    """The record of a spec; ``key`` is the secret that fingerprints are made with."""
    secrets: dict[str, str] = {}

    def redacted(value: Any, node: Node | None, pointer: str) -> Any:
        if node is not None and node.from_environment:
            secrets[pointer] = fingerprint(str(node.value), key)
            return node.source
        below = node.value if node is not None else None
        if isinstance(value, dict):
            known = below if isinstance(below, dict) else {}
            return {name: redacted(child, known.get(name), step(pointer, name)) for name, child in value.items()}
        if isinstance(value, list):
            items = below if isinstance(below, list) else [None] * len(value)
            return [redacted(child, items[index], step(pointer, index)) for index, child in enumerate(value)]
        return value.replace("${", "$${") if isinstance(value, str) else value

    effective = redacted(spec.model_dump(mode="json"), tree, "")
    written = redacted(spec.model_dump(mode="json", exclude_unset=True), tree, "")
    return Record(files=tuple(files), written=written, effective=effective, secrets=secrets, places=_places(tree))


def fingerprint(value: str, key: bytes) -> str:
    """A keyed digest: without the key, a guess at the value cannot be checked."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:FINGERPRINT_DIGITS]


def step(pointer: str, name: str | int) -> str:
    """The pointer to a field or entry of what ``pointer`` names (RFC 6901, section 4)."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def _places(tree: Node) -> dict[str, str]:
    """Sections and what stands directly in them, and one level more for sections of sections."""
    places: dict[str, str] = {}

    def note(node: Node, pointer: str, depth: int) -> None:
        places[pointer] = str(node.key_at or node.at)
        children = node.value if depth else None
        if isinstance(children, dict):
            for name, child in children.items():
                note(child, step(pointer, name), depth - 1)
        elif isinstance(children, list):
            for index, child in enumerate(children):
                if isinstance(child.value, dict):
                    note(child, step(pointer, index), depth - 1)

    for name, child in tree.value.items() if isinstance(tree.value, dict) else ():
        note(child, step("", name), 3 if name == "authentication" else 1)
    return places
