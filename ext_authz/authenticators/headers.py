"""Credentials in request headers."""

from collections.abc import Mapping, Sequence


def header_values(headers: Mapping[str, str], name: str) -> Sequence[str]:
    """Every value of a header (lower-case name). Envoy merges repeated ones by ``,``, which no credential holds."""
    value = headers.get(name)
    return value.split(",") if value is not None else ()
