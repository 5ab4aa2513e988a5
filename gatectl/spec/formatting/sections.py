"""The top-level fields in the order of the language, each with the comments above it."""

import yaml

from gatectl.spec.formatting import layout
from gatectl.spec.model import Spec

ORDER = tuple(Spec.model_fields)


def ordered(text: str) -> str:
    """``text`` with its fields moved as whole lines. What stands above the first one and is set off stays on top."""
    found = layout.tokens(text)
    if any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in found):
        return text  # an anchor must stay above what refers to it
    lines = text.split("\n")
    starts = _starts(found, lines)
    names = list(starts)
    wanted = sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    if wanted == names:
        return text
    bounds = [*starts.values(), _tail(found, lines)]
    chunks = {name: lines[bounds[index] : bounds[index + 1]] for index, name in enumerate(names)}
    moved = list(lines[: bounds[0]])
    airy = any(not chunk[0].strip() for chunk in (*chunks.values(), moved[-1:] or ["."]))
    for name in wanted:
        chunk = chunks[name]
        if airy and len(chunk) > 1 and chunk[0].strip() and moved and moved[-1].strip():
            moved.append("")
        moved += chunk
    return "\n".join([*moved, *lines[bounds[-1] :]])


def _starts(found: list[yaml.Token], lines: list[str]) -> dict[str, int]:
    """The line where each field begins, its comments and the blank line above them included."""
    starts: dict[str, int] = {}
    depth, last, at_key = 0, -1, False
    for token in found:
        if isinstance(token, yaml.BlockMappingStartToken | yaml.BlockSequenceStartToken):
            depth += 1
        elif isinstance(token, yaml.BlockEndToken):
            depth -= 1
        elif depth == 1 and isinstance(token, yaml.KeyToken) and token.start_mark.column == 0:
            at_key = True
        elif at_key and isinstance(token, yaml.ScalarToken):
            starts[str(token.value)] = _begin(lines, last + 1, token.start_mark.line, first=not starts)
            at_key = False
        if token.end_mark.index > token.start_mark.index:
            last = _last_line(token)
    return starts


def _begin(lines: list[str], begin: int, key: int, *, first: bool) -> int:
    if first:  # a heading that a blank line sets off, or that is all there is, stays
        blank = [number for number in range(begin, key) if not lines[number].strip()]
        return blank[-1] + 1 if blank else key
    for number in range(begin, key):
        if lines[number].startswith("#"):
            return number - 1 if number > begin and not lines[number - 1].strip() else number
    return key - 1 if key > begin and not lines[key - 1].strip() else key


def _tail(found: list[yaml.Token], lines: list[str]) -> int:
    """Where the comments begin that stand behind everything."""
    end = max(_last_line(token) for token in found if token.end_mark.index > token.start_mark.index) + 1
    tail = next((number for number in range(end, len(lines)) if lines[number].startswith("#")), len(lines))
    while tail > end and not lines[tail - 1].strip():
        tail -= 1
    return tail


def _last_line(token: yaml.Token) -> int:
    """Block scalars and the ends of blocks stop at the beginning of the line behind them."""
    mark = token.end_mark
    return int(mark.line - 1 if mark.column == 0 and mark.line > token.start_mark.line else mark.line)
