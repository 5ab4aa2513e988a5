"""The rules of the templates: Jinja chooses the structure, data fills the leaves.

One template is one Envoy message, written as YAML. A ``{{ x }}`` never becomes text: it leaves a numbered mark, the
marked YAML is parsed, and the marks are replaced by the very values. So nothing can be injected, no escaping can be
forgotten, a child message enters as it is, and templates that take the same branches are parsed once.

A mark must be a whole scalar: ``"a-{{ x }}"`` is refused. An undefined name is an error. Templates hold no decisions:
no naming, no defaults, no sorting.
"""

import re
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2.runtime import Context
from markupsafe import Markup

Message = dict[str, Any]
"""One of Envoy's messages, as plain JSON data."""
_MARK = "\ue001"
"""A private-use character: valid in YAML, never in a template."""
_WHOLE = re.compile(rf"{_MARK}([0-9]+){_MARK}")
_VALUES = "__values__"


def render(template: str, **data: Any) -> Message:
    """The message that ``<template>.yaml.j2`` makes of ``data``, as plain JSON data.

    Raises jinja2.UndefinedError for a name that ``data`` lacks, ValueError for a mark inside a longer text.
    """
    values: list[Any] = []
    text = _environment().get_template(f"{template}.yaml.j2").render(data | {_VALUES: values})
    message = _fill(_parse(text), values)
    assert isinstance(message, dict), template
    return message


@jinja2.pass_context
def _mark(context: Context, value: Any) -> Markup:
    """Jinja's ``finalize``: keep the value, leave its mark."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # StrictUndefined raises its own clear error
    values: list[Any] = context[_VALUES]
    values.append(value)
    return Markup(f"{_MARK}{len(values) - 1}{_MARK}")  # noqa: S704 - a mark and a number


@lru_cache(maxsize=1024)
def _parse(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _fill(node: Any, values: list[Any]) -> Any:
    """A copy of a parsed template with its marks replaced."""
    if isinstance(node, dict):
        return {_fill(key, values): _fill(child, values) for key, child in node.items()}
    if isinstance(node, list):
        return [_fill(child, values) for child in node]
    if isinstance(node, str) and _MARK in node:
        mark = _WHOLE.fullmatch(node)
        if mark is None:
            raise ValueError(f"{{{{ … }}}} must stand alone, not inside a longer text: {node!r}")
        value = values[int(mark[1])]
        return list(value) if isinstance(value, tuple) else value
    return node


def seconds(milliseconds: int) -> str:
    """A google.protobuf.Duration in JSON: ``"1.5s"``."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03}s" if rest else f"{whole}s"


def metadata(namespace: str, key: str) -> str:
    """Envoy's format command for a value of the dynamic metadata."""
    return f"%DYNAMIC_METADATA({namespace}:{key})%"


def directory() -> Path:
    """Where the templates are: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(resources.files("gatectl.render"))) / "envoy_templates"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "envoy" / "templates"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory()),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_mark,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    environment.globals["metadata"] = metadata
    return environment
