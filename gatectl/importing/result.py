"""A spec from somewhere else, with all that has to be said about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatectl.diagnostics import Diagnostic, GatectlError
from gatectl.spec import check, draft
from gatectl.spec.formatting.writing import written
from gatectl.spec.model import Spec
from gatectl.spec.tree import Reader


@dataclass(frozen=True)
class Imported:
    """``spec`` is the bare data, ``text`` the same as a file; ``notes`` are warnings in reading order."""

    source: str
    spec: dict[str, Any]
    text: str
    notes: tuple[Diagnostic, ...]

    def data(self) -> dict[str, Any]:
        """For the views."""
        return {
            "from": self.source,
            "routes": len(self.spec["routes"]),
            "upstreams": len(self.spec["upstreams"]),
            "spec": self.text,
            "notes": told(self.notes),
        }


def told(notes: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Notes for the views."""
    return [
        {
            "code": note.code,
            "severity": note.severity,
            "message": note.message,
            "hint": note.hint,
            "place": str(note.location) if note.location else None,
        }
        for note in notes
    ]


def sealed(source: str, kind: str, spec: dict[str, Any], notes: list[Diagnostic]) -> Imported:
    """The result, after a last look whether it loads. Raises GatectlError when it does not: a defect here."""
    heading = [
        f"Made by `gatectl import {kind}`: a start, not the end.",
        "What could not be carried over was told; look at access, upstreams and limits, then: gatectl validate",
    ]
    text = written(spec, heading)
    reader = Reader("the imported spec", {})
    tree = reader.read(text)
    mistakes = list(reader.diagnostics)
    if tree is not None and not mistakes:
        mistakes = check.check(draft.of_spec(Spec.model_validate(tree.plain()), tree))
    if mistakes:
        raise GatectlError(f"the import made a spec that does not load, please report it: {mistakes[0]}")
    return Imported(source, spec, text, tuple(dict.fromkeys(notes)))


def frozen(data: Any) -> Any:
    """Data as the model takes it: lists are tuples there."""
    if isinstance(data, dict):
        return {key: frozen(value) for key, value in data.items()}
    return tuple(map(frozen, data)) if isinstance(data, (list, tuple)) else data
