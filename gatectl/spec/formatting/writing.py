"""A spec as data → a spec as text that reads back the same."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from gatectl.spec.formatting.style import dumper

LONGEST_FLOW = 100
"""Characters of what is written in brackets on one line."""
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/._@+-]*(:[A-Za-z0-9/._@+-]+)*|[0-9]+(ms|[smhd]|B|[KMG]iB|/[a-z0-9]+)")
_WORDS_OF_YAML = {"true", "false", "null"}
BLOCKS = {"upstreams", "routes", "jwt", "authentication", "rate_limits"}
"""What is always written line by line, and so is each entry."""


def written(spec: dict[str, Any], heading: Sequence[str], *, references: bool = False) -> str:
    """The file, with ``heading`` as comments on top. Without ``references``, ``${`` in a value is text, and escaped."""
    out = StringIO()
    spec = spec if references else _escaped(spec)
    dumper().dump(_mapping(spec, block=True, root=True), out)
    text = out.getvalue()
    parts = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)
    airy = ["\n" + part if "\n" in part.strip() and index else part for index, part in enumerate(parts)]
    return "".join([*(f"# {line}\n" for line in heading), *airy])


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}  # references are filled in values only
    if isinstance(value, (list, tuple)):
        return [_escaped(child) for child in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _node(key: str, value: Any) -> Any:
    """A value as ruamel.yaml should write it."""
    if isinstance(value, dict):
        return _mapping(value, block=key in BLOCKS or _long(value))
    if isinstance(value, (list, tuple)):
        return _sequence(key, value)
    return _scalar(value)


def _mapping(data: dict[str, Any], *, block: bool, root: bool = False) -> CommentedMap:
    made = CommentedMap()
    for key, value in data.items():
        field = _quoted(str(key))
        if block and not root and isinstance(value, dict) and "endpoints" in value:
            made[field] = _mapping(value, block=_long({key: value}) or len(value) > 2)
        else:
            made[field] = _node(str(key), value)
    (made.fa.set_block_style if block else made.fa.set_flow_style)()
    return made


def _sequence(key: str, items: Sequence[Any]) -> CommentedSeq:
    """Lists of mappings stand line by line: an entry in brackets, or, where it is large, field by field."""
    large = key in {"routes", "jwt"}
    made = CommentedSeq(
        _mapping(item, block=large or _long(item)) if isinstance(item, dict) else _node("", item) for item in items
    )
    mappings = any(isinstance(item, dict) for item in items)
    (made.fa.set_block_style if mappings or _long(items) else made.fa.set_flow_style)()
    return made


def _long(data: Any) -> bool:
    """Whether it is too much for one line, or holds a list of mappings."""
    lists = data.values() if isinstance(data, dict) else ()
    return len(repr(data)) > LONGEST_FLOW or any(
        isinstance(one, (list, tuple)) and any(isinstance(item, dict) for item in one) for one in lists
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    """Text in quotes where YAML would read something else without."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return text if plain else DoubleQuotedScalarString(text)
