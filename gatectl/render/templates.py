"""The rules of the templates: one template is one Envoy message, and every ``{{ x }}`` is a JSON value.

Nothing can be injected and no filter can be forgotten, because the encoding is not the template's business. An
undefined name is an error. Templates hold no decisions: no naming, no defaults, no sorting.
"""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

_UNSAFE = {0x85, 0x2028, 0x2029, 0xFEFF, *range(0x7F, 0xA0)}
"""Characters that JSON lets stand and YAML takes for line ends or refuses."""


def render(template: str, **data: Any) -> dict[str, Any]:
    """The message that ``<template>.yaml.j2`` makes of ``data``, as plain JSON data."""
    text = _environment().get_template(f"{template}.yaml.j2").render(data)
    message = yaml.load(text, Loader=yaml.CSafeLoader)
    assert isinstance(message, dict), template
    return message


def encode(value: Any) -> Markup:
    """A leaf, or a whole child message, as JSON that is YAML too."""
    if isinstance(value, Markup):
        return value
    text = json.dumps(value, ensure_ascii=False, default=_undefined)
    if not text.isascii():
        text = "".join(f"\\u{ord(character):04x}" if ord(character) in _UNSAFE else character for character in text)
    return Markup(text)  # noqa: S704 - this is the escaping


def _undefined(value: Any) -> Any:
    if isinstance(value, jinja2.Undefined):
        str(value)  # StrictUndefined raises its own clear error
    raise TypeError(f"{type(value).__name__} is not JSON data")


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
        finalize=encode,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    environment.globals["metadata"] = metadata
    return environment
