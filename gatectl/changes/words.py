"""Changes in words, one line for each field that changes: ``upstream "tickets".timeout: 30s → 10s``."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from gatectl.changes.objects import Change, FieldChange
from gatectl.diagnostics import printable

SIGNS = {"add": "+", "change": "~", "delete": "-"}
LONGEST = 160
"""Characters of a value before it is cut."""


def lines(change: Change) -> Iterator[tuple[str, str]]:
    """Sign and text of every line about a change. A text is one printable line, whatever the spec says."""
    sign, title = SIGNS[change.action], cut(change.title)
    if not change.fields:
        yield sign, title
    for field in change.fields:
        for text in _field(field):
            yield sign, f"{title}.{text}" if field.field else f"{title}: {text}"


def cut(text: str) -> str:
    """A printable line that is not longer than ``LONGEST``."""
    text = printable(text[: LONGEST + 1])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _field(field: FieldChange) -> Iterator[str]:
    if isinstance(field.before, list) and isinstance(field.after, list):
        for text in _list(field.before, field.after):
            yield f"{field.field}: {text}"
    else:
        yield f"{field.field}: {cut(_text(field.before))} → {cut(_text(field.after))}"


def _list(before: list[Any], after: list[Any]) -> Iterator[str]:
    was, now = [_text(one) for one in before], [_text(one) for one in after]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag == "replace" and i2 - i1 == j2 - j1:
            yield from (f"{cut(one)} → {cut(two)}" for one, two in zip(was[i1:i2], now[j1:j2], strict=True))
        elif tag != "equal":
            yield from (f"- {cut(one)}" for one in was[i1:i2])
            yield from (f"+ {cut(one)}" for one in now[j1:j2])


def _text(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
