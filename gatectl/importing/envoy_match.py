"""What a route of Envoy takes → a match of the language."""

import re
from typing import Any

from gatectl.importing.envoy_dump import Item, Notes

_METHODS = re.compile(r"[A-Z]{1,20}(\|[A-Z]{1,20})*")
_TEMPLATE = re.compile(r"(/([A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\}))+")


class NotSayableError(Exception):
    """The route would take other requests, or send them elsewhere: it is left out. The end of a sentence."""


def match_of(match: Item, notes: Notes) -> dict[str, Any]:
    """The match. Raises NotSayableError when a spec cannot say it exactly or more narrowly."""
    made = _path(match, notes)
    if match.take("case_sensitive") is False:
        notes.add("paths are always compared with their case", match.path)
    for name, what in (
        ("query_parameters", "looks at the query string"),
        ("runtime_fraction", "takes a part of the requests only"),
        ("grpc", "takes gRPC only"),
        ("tls_context", "looks at the client's certificate"),
        ("dynamic_metadata", "looks at metadata"),
        ("filter_state", "looks at filter state"),
        ("cookies", "looks at cookies"),
    ):
        if name in match.data:
            raise NotSayableError(what)
    headers: dict[str, Any] = {}
    for header in match.items("headers"):
        name = str(header.take("name"))
        if name == ":method":
            made["methods"] = _methods(header)
        else:
            headers[name] = _header(header, name)
    if headers:
        made["headers"] = headers
    return made


def _path(match: Item, notes: Notes) -> dict[str, Any]:
    if (path := match.take("path", str)) is not None:
        return {"path": path}
    if (prefix := match.take("path_separated_prefix", str)) is not None:
        return {"path_prefix": prefix}
    if (prefix := match.take("prefix", str)) is not None:
        if prefix.rstrip("/") and not prefix.endswith("/"):
            notes.add("a prefix takes whole segments here: /a no longer takes /ab", match.path, decided=True)
        return {"path_prefix": prefix}
    policy = match.item("path_match_policy")
    template = policy.item("typed_config").take("path_template", str)
    policy.ignore("name")
    variables = re.findall(r"\{[^}]*\}", template or "")
    if template is not None and _TEMPLATE.fullmatch(template) and len(variables) == len(set(variables)):
        return {"path_template": template}
    raise NotSayableError(
        "is matched by a regular expression" if "safe_regex" in match.data else "has no path to match"
    )


def _text_match(header: Item) -> tuple[str | None, str | None, str | None]:
    """(exact, prefix, regex) of a header; at most one is set."""
    text = header.item("string_match")
    if text.take("ignore_case"):
        raise NotSayableError("compares a header without its case")
    regex = text.item("safe_regex").take("regex", str) or header.item("safe_regex_match").take("regex", str)
    exact, prefix = text.take("exact", str), text.take("prefix", str)
    if exact is None:
        exact = header.take("exact_match", str)
    return exact, prefix if prefix is not None else header.take("prefix_match", str), regex


def _methods(header: Item) -> list[str]:
    exact, _, regex = _text_match(header)
    methods = exact or regex or ""
    if header.take("invert_match") or not _METHODS.fullmatch(methods):
        raise NotSayableError("matches methods in a way that a spec cannot say")
    return methods.split("|")


def _header(header: Item, name: str) -> Any:
    exact, prefix, regex = _text_match(header)
    if name.startswith(":") or header.take("invert_match") or header.take("treat_missing_header_as_empty"):
        raise NotSayableError(f"matches the header {name} in a way that a spec cannot say")
    if exact is not None:
        return exact
    if prefix is not None:
        return {"prefix": prefix}
    if header.take("present_match") is True and regex is None:
        return {"present": True}
    raise NotSayableError(f"matches the header {name} in a way that a spec cannot say")
