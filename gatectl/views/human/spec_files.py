"""Specs as texts: formatted, imported, listed."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text


def _formatted(out: Console, data: dict[str, Any]) -> None:
    for file in data["files"]:
        if file["text"] is not None:
            out.file.write(file["text"])
        elif file["diff"] is not None:
            _diff(out, file["diff"])
        elif file["changed"]:
            out.print(f"{file['file']} {'is not formatted' if data['checked'] else 'is formatted now'}")
    if not any(file["changed"] or file["text"] is not None for file in data["files"]):
        out.print(f"nothing to do: {', '.join(file['file'] for file in data['files'])}")


def _diff(out: Console, diff: str) -> None:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in diff.splitlines():
        out.print(Text(line, styles.get(line[:1], "")))


def _imported(out: Console, data: dict[str, Any]) -> None:
    """The spec on stdout, what has to be said about it on stderr."""
    if _shown(out, data):
        out.print(f"{data['to']} is written: {data['routes']} routes, {data['upstreams']} upstreams")
        out.print(f"next: look at its access rules, then gatectl validate -f {data['to']}")


def _imported_limits(out: Console, data: dict[str, Any]) -> None:
    """The limits on stdout, what has to be said about them on stderr."""
    if _shown(out, data):
        out.print(f"{data['to']} is written: {data['limits']} limits")
        out.print(f"next: gatectl validate -f gateway.yaml -f {data['to']}")


def _shown(out: Console, data: dict[str, Any]) -> bool:
    """The notes, and the text where no file took it. Whether one did."""
    err = Console(file=sys.stderr, highlight=False, markup=False, no_color=True, soft_wrap=True)
    for note in data["notes"]:
        hint = f" ({note['hint']})" if note["hint"] else ""
        place = f"{note['place']}: " if note["place"] else ""
        err.print(f"{place}{note['severity']}[{note['code']}] {note['message']}{hint}")
    if data["to"] is None:
        out.file.write(data["spec"])
        out.file.flush()
    return data["to"] is not None


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "formatted": _formatted,
    "imported": _imported,
    "imported-limits": _imported_limits,
}
