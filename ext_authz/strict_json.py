"""JSON that two readers cannot understand differently, and that costs no reader much. Pure."""

import json
from typing import Any, NoReturn

MAX_DEPTH = 16
"""Objects and lists within each other, the outermost included."""


def parse_object(document: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 (RFC 8259). Raises ValueError when it is none, or not one that every reader understands.

    Refused: a member that occurs twice (RFC 8259 section 4 leaves open which one counts), ``NaN`` and ``Infinity``,
    and whatever is nested deeper than ``MAX_DEPTH``.
    """
    try:
        value = json.loads(document.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - it is what the caller sent, not how it was called
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member occurs twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
