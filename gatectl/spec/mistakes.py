"""From a tree to a typed document, or every mistake in our words at its place in the file."""

import difflib
import json
import re
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic
from gatectl.spec.model import Section
from gatectl.spec.tree import Node

DocumentT = TypeVar("DocumentT", bound=Section)
_NUMBER_OR_TRUTH = re.compile(r"true|false|0|-?[1-9][0-9]{0,19}")
"""What a value from the environment may become, besides text: never a list or a mapping."""


def typed(model: type[DocumentT], tree: Node) -> tuple[DocumentT | None, list[Diagnostic]]:
    """The document that a tree spells, or None and what is wrong with its types."""
    try:
        return _validate(model, tree), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [_translate(model, tree, one) for one in details if not _is_echo(tree, one)]


def _validate(model: type[DocumentT], tree: Node) -> DocumentT:
    """A number or a truth value from the environment comes as text: its field says what it is."""
    try:
        return model.model_validate(tree.plain())
    except ValidationError as error:
        typed: dict[int, Any] = {}  # by node: an alias may stand for a number here and for text there
        for details in error.errors(include_url=False, include_context=False):
            node = tree.find(details["loc"])
            mistyped = node.from_environment and details["type"] in {"int_type", "bool_type", "literal_error"}
            if mistyped and _NUMBER_OR_TRUTH.fullmatch(str(node.value)):
                typed[id(node)] = json.loads(str(node.value))
        if not typed:
            raise
    return model.model_validate(tree.plain(typed))


def _is_echo(tree: Node, details: Any) -> bool:
    """A list counts as too short when its entries are wrong; they are reported already."""
    return details["type"] == "too_short" and bool(tree.find(details["loc"]).value)


def _translate(model: type[Section], tree: Node, details: Any) -> Diagnostic:  # noqa: PLR0911 - one return for each kind of mistake
    """One of pydantic's errors in our words, at its place in the file."""
    path: tuple[int | str, ...] = details["loc"]
    kind: str = details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    node = tree.find(path)
    field = _field(tree, path)
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _fields_at(model, path[:-1]), 1)
        hint = f'did you mean "{near[0]}"?' if near else None
        return Diagnostic("GC0100", f'unknown field "{path[-1]}"', node.key_at or node.at, hint)
    if kind == "missing":
        return Diagnostic("GC0101", f'"{field}" is missing', node.key_at or node.at, _needed(path))
    got = _shown(node)
    if "[key]" in path:
        return Diagnostic("GC0106", f'the name "{path[-2]}" is malformed: {_sentence(details)}', node.key_at or node.at)
    if kind in {"unreadable", "malformed"}:
        code = "GC0105" if kind == "unreadable" else "GC0106"
        return Diagnostic(code, f'"{field}": {details["msg"]}{got}', node.at)
    if kind == "literal_error":
        allowed = context["expected"]
        words = [word.strip(" '") for word in allowed.replace(" or ", ",").split(",")]
        near = difflib.get_close_matches(str(node.value), words, 1) if not node.from_environment else []
        hint = f'did you mean "{near[0]}"?' if near else None
        return Diagnostic("GC0102", f'"{field}" must be {allowed}{got}', node.at, hint)
    if kind in _TYPES:
        return Diagnostic("GC0102", f'"{field}" must be {_TYPES[kind]}{got}', node.at, _type_hint(kind, node))
    return Diagnostic("GC0106", f'"{field}" {_sentence(details)}{got}', node.at)


def _field(tree: Node, path: tuple[int | str, ...]) -> str:
    """The field that an error is about. A tag of a union is none, unless a field is called so."""
    field, node = "spec", tree
    for step in path:
        below = node.find((step,))
        if isinstance(step, str) and (step not in _TAGS or below is not node):
            field = step
        node = below
    return field


_TAGS = {"text", "number", "object", "list", "[key]"}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of fields",
    "model_type": "a mapping of fields",
}


def _type_hint(kind: str, node: Node) -> str | None:
    if kind == "string_type" and isinstance(node.value, (int, float, bool)):
        return "put it in quotes"
    if kind == "tuple_type" and not isinstance(node.value, dict):
        return "write it in brackets: [a, b]"
    return None


def _sentence(details: Any) -> str:
    """A range or pattern error as the end of a sentence."""
    context = details.get("ctx", {})
    if "pattern" in context:
        return f"must match {context['pattern']}"
    if details["type"] == "too_short":
        return f"needs at least {context['min_length']} entry"
    return str(details["msg"])[0].lower() + str(details["msg"])[1:]


def _shown(node: Node) -> str:
    """What stands there, as it is written: a value from the environment is never shown."""
    if isinstance(node.value, (dict, list)):
        return f", not a {'mapping' if isinstance(node.value, dict) else 'list'}"
    text = node.source if len(node.source) <= 60 else node.source[:57] + "…"
    return f', not "{text}"' if text else ", not empty"


def _needed(path: tuple[int | str, ...]) -> str | None:
    return {
        "access": "say `access: public`, `access: authenticated`, or list rules: nothing is open by default",
        "version": "write `version: 1`",
    }.get(str(path[-1]))


@cache
def _schema(model: type[Section]) -> dict[str, Any]:
    return model.model_json_schema()


def _fields_at(model: type[Section], path: tuple[int | str, ...]) -> list[str]:
    """The fields that the language knows at a place, from the JSON Schema."""
    schema = _schema(model)
    options = [schema]
    for step in path:
        if step in _TAGS:
            continue
        found: list[dict[str, Any]] = []
        for option in _resolved(schema, options):
            if isinstance(step, int):
                found += [option["items"]] if isinstance(option.get("items"), dict) else []
            elif step in option.get("properties", {}):
                found.append(option["properties"][step])
            elif isinstance(option.get("additionalProperties"), dict):
                found.append(option["additionalProperties"])
            elif "patternProperties" in option:
                found += option["patternProperties"].values()
        options = found
    return [name for option in _resolved(schema, options) for name in option.get("properties", {})]


def _resolved(schema: dict[str, Any], options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """References followed, alternatives spread out."""
    flat: list[dict[str, Any]] = []
    for option in options:
        if "$ref" in option:
            flat += _resolved(schema, [schema["$defs"][option["$ref"].rpartition("/")[2]]])
        elif "anyOf" in option or "oneOf" in option:
            flat += _resolved(schema, option.get("anyOf") or option["oneOf"])
        else:
            flat.append(option)
    return flat
