"""Changes in words, one line for each field that changes: ``upstream "tickets".timeout: 30s → 10s``."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from gatectl.changes.objects import Change, FieldChange

SIGNS = {"add": "+", "change": "~", "delete": "-"}
LONGEST = 160
"""Characters of a value before it is cut."""


def lines(change: Change) -> Iterator[tuple[str, str]]:
    """Sign and text of every line about a change."""
    sign = SIGNS[change.action]
    if not change.fields:
        yield sign, change.title
    for field in change.fields:
        for text in _field(field):
            yield sign, f"{change.title}.{text}" if field.field else f"{change.title}: {text}"


def _field(field: FieldChange) -> Iterator[str]:
    if isinstance(field.before, list) and isinstance(field.after, list):
        for text in _list(field.before, field.after):
            yield f"{field.field}: {text}"
    else:
        yield f"{field.field}: {_value(field.before)} → {_value(field.after)}"


def _list(before: list[Any], after: list[Any]) -> Iterator[str]:
    was, now = [_value(one) for one in before], [_value(one) for one in after]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag == "replace" and i2 - i1 == j2 - j1:
            yield from (f"{one} → {two}" for one, two in zip(was[i1:i2], now[j1:j2], strict=True))
        elif tag != "equal":
            yield from (f"- {one}" for one in was[i1:i2])
            yield from (f"+ {one}" for one in now[j1:j2])


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, list):
        value = f"[{', '.join(map(_value, value))}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
