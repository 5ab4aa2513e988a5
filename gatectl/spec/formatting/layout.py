"""What lies between the words: comments, blank lines, and brackets that span lines. Text in, text out."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

INDENT = 2
_BREAK = re.compile("\r\n?|\n")


@dataclass(frozen=True)
class Level:
    """An open block: the column where its lines begin, and where they should."""

    column: int
    wanted: int


@dataclass(frozen=True)
class Gap:
    """The text between two words, ``start`` to ``end``, with the blocks that are open before and after it."""

    start: int
    end: int
    before: tuple[Level, ...]
    after: tuple[Level, ...]
    in_brackets: bool


def plain_lines(text: str) -> str:
    """Without byte order mark, the marks of a document's start and end, and with plain line ends."""
    text = _BREAK.sub("\n", text.removeprefix("\ufeff"))
    for token in tokens(text):
        if isinstance(token, yaml.DocumentStartToken | yaml.DocumentEndToken):
            start, end = token.start_mark.index, token.end_mark.index
            text = text[:start] + " " * (end - start) + text[end:]  # blanks: the other places stay right
    return text


def tokens(text: str) -> list[yaml.Token]:
    """What a text is made of. The text has been read before: it is YAML."""
    found = list(yaml.scan(text, Loader=yaml.CSafeLoader))
    return [token for token in found if not isinstance(token, yaml.StreamStartToken | yaml.StreamEndToken)]


def is_flow(text: str) -> bool:
    """Whether the whole of it is one pair of braces."""
    return isinstance(tokens(text)[0], yaml.FlowMappingStartToken)


def comments(text: str) -> Counter[str]:
    """Every comment, and how often."""
    plain = plain_lines(text)
    found = [line.strip() for gap in gaps(plain) for line in plain[gap.start : gap.end].split("\n") if "#" in line]
    blocks = (
        plain[token.start_mark.index : token.end_mark.index].split("\n")[0] for token in tokens(plain) if _block(token)
    )
    return Counter([*found, *(f"#{head.partition('#')[2]}".rstrip() for head in blocks if "#" in head)])


def _block(token: yaml.Token) -> bool:
    return isinstance(token, yaml.ScalarToken) and token.style in {"|", ">"}


def gaps(text: str) -> Iterator[Gap]:
    """Every stretch between two words, the first before the first word and the last behind the last."""
    levels: list[tuple[int, str]] = []
    end, brackets, before = 0, 0, _wanted(levels)
    for token in tokens(text):
        if isinstance(token, yaml.BlockMappingStartToken | yaml.BlockSequenceStartToken):
            kind = "map" if isinstance(token, yaml.BlockMappingStartToken) else "list"
            levels.append((token.start_mark.column, kind))
        elif isinstance(token, yaml.BlockEndToken):
            if levels[-1][1] == "dashes":
                levels.pop()
            levels.pop()
        elif isinstance(token, yaml.BlockEntryToken) and levels[-1] == (token.start_mark.column, "map"):
            levels.append((token.start_mark.column, "dashes"))  # a list that is indented like the field it belongs to
        elif isinstance(token, yaml.KeyToken) and not brackets and levels and levels[-1][1] == "dashes":
            levels.pop()
        if token.start_mark.index == token.end_mark.index:
            continue
        yield Gap(end, token.start_mark.index, before, _wanted(levels), brackets > 0)
        brackets += isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken)
        brackets -= isinstance(token, yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken)
        end, before = token.end_mark.index, _wanted(levels)
    yield Gap(end, len(text), before, (), in_brackets=False)


def _wanted(levels: list[tuple[int, str]]) -> tuple[Level, ...]:
    return tuple(Level(column, INDENT * depth) for depth, (column, _) in enumerate(levels))


def tidied(text: str) -> str:
    """Comments where their block will be, at most one blank line in a row, no blanks at the end of a line."""
    parts: list[str] = []
    end = 0
    for gap in gaps(text):
        parts += [text[end : gap.start], _gap(text[gap.start : gap.end], gap)]
        end = gap.end
    return "".join(parts).strip("\n") + "\n"


def _gap(content: str, gap: Gap) -> str:
    first, *rest = content.split("\n")
    if gap.in_brackets or not rest:
        return content
    *between, last = rest  # `last` is the indentation of the next word
    lines: list[str] = []
    if gap.start == 0:
        between, first = [first, *between], ""
    for line in between:
        if line.strip():
            lines.append(" " * _column(len(line) - len(line.lstrip()), gap) + line.strip())
        elif not lines or lines[-1]:
            lines.append("")
    if gap.start == 0:
        return "\n".join([*lines, last]).lstrip("\n")
    return "\n".join([first.rstrip(), *lines, last])


def _column(column: int, gap: Gap) -> int:
    """Where a comment goes: to what comes next, or to the block before when it stands deeper than that."""
    following = gap.after[-1] if gap.after else Level(0, 0)
    if column <= following.column:
        return following.wanted
    fitting = [level for level in gap.before if level.column <= column]
    return fitting[-1].wanted if fitting else following.wanted
