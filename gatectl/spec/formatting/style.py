"""The style of our YAML, by ruamel.yaml, which keeps comments, quotes and brackets.

Every plain scalar is text to it: ``no``, ``1:30``, ``012`` and ``~`` are written back as they were read.
"""

import re
from functools import cache
from io import StringIO
from typing import Any

import yaml as plain_yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString
from ruamel.yaml.tag import Tag

from gatectl.spec.formatting import layout

WIDTH = 1 << 30
"""Lines are never broken: where a human broke one, it stays so."""
_TEXT = "tag:yaml.org,2002:str"


class NotWritableError(Exception):
    """The text cannot be written in our style. The message is the end of a sentence."""


class _Resolver(VersionedResolver):
    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Which type a scalar without a tag has: text, whatever it looks like."""
        if kind is ScalarNode and implicit[0]:
            return Tag(suffix=_TEXT)
        return super().resolve(kind, value, implicit)


def dumper() -> YAML:
    """The one configuration of ruamel.yaml."""
    dumper = YAML(typ="rt", pure=True)
    dumper.Resolver = _Resolver
    dumper.preserve_quotes = True
    dumper.width = WIDTH
    dumper.brace_single_entry_mapping_in_flow_sequence = True
    dumper.indent(mapping=layout.INDENT, sequence=2 * layout.INDENT, offset=layout.INDENT)
    return dumper


def rewritten(text: str) -> str:
    """``text`` in our style. Raises NotWritableError."""
    masked, kept = _masked(text)
    return _unmasked(_dumped(masked), kept).strip("\n") + "\n"


def _dumped(text: str) -> str:
    written = StringIO()
    try:
        tree = dumper().load(text)
        _requote(tree)
        dumper().dump(tree, written)
    except (YAMLError, RecursionError, ValueError, AssertionError, AttributeError, TypeError) as error:
        raise NotWritableError(f"ruamel.yaml says {type(error).__name__}") from None
    return written.getvalue()


def _requote(node: Any) -> None:
    """Double quotes, unless the text holds a quote or a backslash and single ones save an escape."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        if type(value) is SingleQuotedScalarString and not re.search(r'["\\]', value):
            node[key] = DoubleQuotedScalarString(value, anchor=value.anchor.value)
        else:
            _requote(value)


def _masked(text: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """``text`` with a word in the place of every outermost bracket; and what stood there, with its indentation.

    ruamel.yaml loses comments around brackets in lists, and those inside brackets; so it sees each bracket alone.
    """
    kept: dict[str, tuple[str, int]] = {}
    masked, end, depth, start, prefix = "", 0, 0, 0, "brackets"
    while prefix in text:
        prefix += "x"
    for token in layout.tokens(text):
        if isinstance(token, plain_yaml.FlowMappingStartToken | plain_yaml.FlowSequenceStartToken):
            start = token.start_mark.index if depth == 0 else start
            depth += 1
        elif isinstance(token, plain_yaml.FlowMappingEndToken | plain_yaml.FlowSequenceEndToken):
            depth -= 1
            if depth == 0:
                word = f"{prefix}-{len(kept)}-"
                kept[word] = _flow(text[start : token.end_mark.index]), _indentation(text, start)
                masked, end = masked + text[end:start] + word, token.end_mark.index
    return masked + text[end:], kept


@cache
def _flow(text: str) -> str:
    """One bracket in our style; one that spans lines, or knows anchors, as it is."""
    if "\n" in text or any(
        isinstance(one, plain_yaml.AnchorToken | plain_yaml.AliasToken) for one in layout.tokens(text)
    ):
        return text
    return _dumped(text).strip("\n")


def _unmasked(text: str, kept: dict[str, tuple[str, int]]) -> str:
    def back(word: re.Match[str]) -> str:
        content, before = kept[word[0]]
        shift = _indentation(text, word.start()) - before
        first, *rest = content.split("\n")
        moved = (" " * max(0, len(line) - len(line.lstrip()) + shift) + line.strip() for line in rest)
        return "\n".join([first.rstrip(), *(line.rstrip() for line in moved)])

    return re.sub(re.escape(next(iter(kept)).rpartition("-0-")[0]) + r"-\d+-", back, text) if kept else text


def _indentation(text: str, index: int) -> int:
    line = text[text.rfind("\n", 0, index) + 1 :]
    return len(line) - len(line.lstrip(" "))
