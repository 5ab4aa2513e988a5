"""Is it Envoy's API? Every rendered message is read by the typed classes of envoy-data-plane.

This catches unknown fields, unknown enum words, wrong types and malformed durations, nested ``Any`` included, on a
machine without Envoy. Value rules (an empty name, a duplicate domain) are the real binary's to judge.
"""

import importlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import orjson
from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic
from gatectl.render.bundle import Bundle
from gatectl.render.templates import Message

TYPE = "@type"
_PREFIX = "type.googleapis.com/"
NEWER_THAN_THE_LIBRARY: dict[str, frozenset[str]] = {
    "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit": frozenset({"max_request_bytes"}),
}
"""Messages of Envoy 1.40 that envoy-data-plane does not know yet, with the fields that we use."""
SWITCHED_ON: Message = {TYPE: f"{_PREFIX}envoy.config.route.v3.FilterConfig", "config": {}}
"""How a route switches on a filter, and the only way that Envoy takes; the library cannot read an Any that is empty."""


UNREADABLE: dict[str, str] = {
    "consecutive_5xx": "envoy.config.cluster.v3.OutlierDetection",
    "enable_retry_after_header": "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
}
"""Single fields, with their message, that the library's JSON reader cannot spell (it looks for ``consecutive_5_xx``)
or does not know yet."""


def check(bundle: Bundle) -> list[Diagnostic]:
    """What is wrong with the Envoy side of a bundle. Empty when all is well; anything else is a defect of a template.

    The first check imports the typed API, which takes about a second.
    """
    return [
        Diagnostic(
            "GC0200", f"{PurePosixPath(file).stem}: {error}", hint="this is a defect of a template, not of the spec"
        )
        for file in sorted(bundle.files)
        if file.startswith("envoy/")
        for message in orjson.loads(bundle.files[file])["resources"]
        for error in check_message(message)
    ]


def check_message(message: Message) -> Iterator[str]:
    """The mistakes in one message that names its ``@type``; the library stops at the first."""
    try:
        known = _without_newer(message)
        for name in set(_types(known)):
            package, _, _ = name.rpartition(".")
            importlib.import_module(f"envoy_data_plane.{package}")  # makes the type known to Any
        package, _, name = known.pop(TYPE).removeprefix(_PREFIX).rpartition(".")
        getattr(importlib.import_module(f"envoy_data_plane.{package}"), name).from_dict(known)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        yield f"{message.get('name', 'message')}: {where}: {error.errors()[0]['msg']}"
    except (AssertionError, ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError) as error:
        yield f"{message.get('name', 'message')}: {error.args[0] if error.args else type(error).__name__}"


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get(TYPE), str):
            yield value[TYPE].removeprefix(_PREFIX)
        for child in value.values():
            yield from _types(child)
    elif isinstance(value, list):
        for child in value:
            yield from _types(child)


def _without_newer(value: Any) -> Any:
    """A copy in which messages that the library does not know are checked by the table and taken out."""
    if isinstance(value, list):
        return [_without_newer(child) for child in value]
    if not isinstance(value, dict):
        return value
    if value == SWITCHED_ON:
        return {TYPE: f"{_PREFIX}google.protobuf.Empty"}
    fields = NEWER_THAN_THE_LIBRARY.get(str(value.get(TYPE, "")).removeprefix(_PREFIX))
    if fields is None:
        return {key: _without_newer(child) for key, child in value.items() if key not in UNREADABLE}
    unknown = set(value) - fields - {TYPE}
    if unknown:
        raise KeyError(f"Unknown field {sorted(unknown)[0]!r} in {value[TYPE]}")
    return {TYPE: f"{_PREFIX}google.protobuf.Empty"}
