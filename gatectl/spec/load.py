"""Files → Spec, or every mistake at once.

Three readings, each only of what the one before left whole: the YAML tree, the types, the meaning (`check`).
"""

import difflib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic, SpecError
from gatectl.spec import check, draft
from gatectl.spec.model import Jwks, Spec
from gatectl.spec.tree import Node, Reader, merge

STDIN = "-"
_NUMBER_OR_TRUTH = re.compile(r"true|false|0|-?[1-9][0-9]{0,19}")
"""What a value from the environment may become, besides text: never a list or a mapping."""


def load(files: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[Spec, Node]:
    """Read the files, later ones on top of earlier ones, and return the spec with the tree it came from.

    ``-`` reads standard input. Raises SpecError with all mistakes.
    """
    environ = os.environ if environ is None else environ
    diagnostics: list[Diagnostic] = []
    tree: Node | None = None
    for file in files:
        name = "<stdin>" if file == STDIN else file
        try:
            content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
            text = content.decode()  # not by sys.stdin itself: that follows the locale
        except UnicodeDecodeError as error:
            diagnostics.append(Diagnostic("GC0001", f"{name} is not UTF-8 text (byte {error.start})"))
            continue
        except OSError as error:
            hint = "`gatectl init` writes a start" if isinstance(error, FileNotFoundError) else None
            diagnostics.append(Diagnostic("GC0001", f"{name} cannot be read: {error.strerror}", hint=hint))
            continue
        reader = Reader(name, environ)
        read = reader.read(text)
        diagnostics += reader.diagnostics
        if read is not None:
            tree = read if tree is None else merge(tree, read)
    if tree is None:
        raise SpecError(diagnostics)
    try:
        spec = _validate(tree)
    except ValidationError as error:
        # a leaf that could not be read (GC0004) is no type error on top
        spoilt = {diagnostic.location for diagnostic in diagnostics}
        found = [
            _translate(tree, details) for details in error.errors(include_url=False) if not _is_echo(tree, details)
        ]
        found += check.check(draft.of_tree(tree))
        raise SpecError([*diagnostics, *(mistake for mistake in found if mistake.location not in spoilt)]) from None
    diagnostics += check.check(draft.of_spec(spec, tree))
    if diagnostics:
        raise SpecError(diagnostics)
    return _anchor(spec, tree), tree


def _validate(tree: Node) -> Spec:
    """The typed spec. A number or a truth value from the environment comes as text: its field says what it is."""
    try:
        return Spec.model_validate(tree.plain())
    except ValidationError as error:
        typed: dict[int, Any] = {}  # by node: an alias may stand for a number here and for text there
        for details in error.errors(include_url=False, include_context=False):
            node = tree.find(details["loc"])
            mistyped = node.from_environment and details["type"] in {"int_type", "bool_type", "literal_error"}
            if mistyped and _NUMBER_OR_TRUTH.fullmatch(str(node.value)):
                typed[id(node)] = json.loads(str(node.value))
        if not typed:
            raise
    return Spec.model_validate(tree.plain(typed))


def _anchor(spec: Spec, tree: Node) -> Spec:
    """Relative file names count from the file that they stand in."""
    issuers = []
    for index, issuer in enumerate(spec.authentication.jwt):
        if issuer.jwks.file is not None:
            here = Path(tree.find(("authentication", "jwt", index, "jwks", "file")).at.file)
            absolute = str((here.parent / issuer.jwks.file).absolute())
            issuer = issuer.model_copy(update={"jwks": Jwks(file=absolute)})  # noqa: PLW2901 - the same one, anchored
        issuers.append(issuer)
    authentication = spec.authentication.model_copy(update={"jwt": tuple(issuers)})
    return spec.model_copy(update={"authentication": authentication})


def _is_echo(tree: Node, details: Any) -> bool:
    """A list counts as too short when its entries are wrong; they are reported already."""
    return details["type"] == "too_short" and bool(tree.find(details["loc"]).value)


def _translate(tree: Node, details: Any) -> Diagnostic:  # noqa: PLR0911 - one return for each kind of mistake
    """One of pydantic's errors in our words, at its place in the file."""
    path: tuple[int | str, ...] = details["loc"]
    kind: str = details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    node = tree.find(path)
    field = next((step for step in reversed(path) if isinstance(step, str) and step not in _TAGS), "spec")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _fields_at(path[:-1]), 1)
        hint = f'did you mean "{near[0]}"?' if near else None
        return Diagnostic("GC0100", f'unknown field "{path[-1]}"', node.key_at or node.at, hint)
    if kind == "missing":
        return Diagnostic("GC0101", f'"{field}" is missing', node.key_at or node.at, _needed(path))
    got = _shown(node)
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
    if "[key]" in path:
        return Diagnostic("GC0106", f'the name "{path[-2]}" is malformed: {_sentence(details)}', node.key_at or node.at)
    return Diagnostic("GC0106", f'"{field}" {_sentence(details)}{got}', node.at)


_TAGS = {"text", "object", "list", "[key]"}
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
def _schema() -> dict[str, Any]:
    return Spec.model_json_schema()


def _fields_at(path: tuple[int | str, ...]) -> list[str]:
    """The fields that the language knows at a place, from the JSON Schema."""
    options = [_schema()]
    for step in path:
        if step in _TAGS:
            continue
        found: list[dict[str, Any]] = []
        for option in _resolved(options):
            if isinstance(step, int):
                found += [option["items"]] if isinstance(option.get("items"), dict) else []
            elif step in option.get("properties", {}):
                found.append(option["properties"][step])
            elif isinstance(option.get("additionalProperties"), dict):
                found.append(option["additionalProperties"])
            elif "patternProperties" in option:
                found += option["patternProperties"].values()
        options = found
    return [name for option in _resolved(options) for name in option.get("properties", {})]


def _resolved(options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """References followed, alternatives spread out."""
    flat: list[dict[str, Any]] = []
    for option in options:
        if "$ref" in option:
            flat += _resolved([_schema()["$defs"][option["$ref"].rpartition("/")[2]]])
        elif "anyOf" in option or "oneOf" in option:
            flat += _resolved(option.get("anyOf") or option["oneOf"])
        else:
            flat.append(option)
    return flat
