"""Request paths: is one canonical, and what are its variables? Pure.

Envoy normalises paths before it routes. What is still not canonical after that could be read differently by the
upstream than by the route that was matched, so it is refused, never repaired.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_NOT_CANONICAL = re.compile(
    r"[^!-~]"  # controls, space, DEL and everything beyond ASCII: no part of a URI (RFC 3986)
    r"|[;\\#]"  # path parameters, backslash, fragment
    r"|//|/\.\.?(?:/|$)"  # empty and dot segments
    r"|%(?![0-9a-fA-F]{2})"  # broken escapes
    r"|%(?:2[eEfF]|5[cC]|[01][0-9a-fA-F]|7[fF])"  # escaped dot, slash, backslash, controls
    r"|%(?:[cC][01]%[89abAB]|[eE]0%[89]|[fF]0%8)"  # the same written longer than UTF-8 allows (RFC 3629 section 10)
)


def without_query(target: str) -> str:
    """The path of a request target: all before the first ``?`` (``urlsplit`` would take ``//host`` for a host)."""
    return target.partition("?")[0]


def is_canonical(path: str) -> bool:
    """Whether a path (without query) starts with ``/`` and can be read in one way only."""
    return path.startswith("/") and _NOT_CANONICAL.search(path) is None


_UNRESERVED = re.compile("%(2[dD]|5[fF]|7[eE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])")


def plainest(path: str) -> str:
    """A canonical path as a lenient upstream may read it: no trailing slash, no escapes of what needs none."""
    return _UNRESERVED.sub(lambda escape: chr(int(escape[1], 16)), path).rstrip("/") or "/"


@lru_cache(maxsize=4096)
def _segments(template: str) -> tuple[tuple[str, str | None], ...]:
    """Per segment of a template: its text and, when it is ``{name}``, the variable's name."""
    return tuple(
        (segment, segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None)
        for segment in template.split("/")
    )


def match(template: str, path: str, *, any_case: bool = False) -> dict[str, str] | None:
    """The raw (still percent-encoded) value of each ``{name}`` of the template; None when the path does not match.

    A variable takes one non-empty segment; all other segments must be equal, byte by byte, or with ``any_case`` but
    for the case of letters.
    """
    wanted, given = _segments(template), path.split("/")
    if len(wanted) != len(given):
        return None
    raw: dict[str, str] = {}
    for (text, name), segment in zip(wanted, given, strict=True):
        if name is None:
            if segment != text and not (any_case and segment.lower() == text.lower()):
                return None
        elif not segment:
            return None
        else:
            raw[name] = segment
    return raw


def decode(raw: dict[str, str]) -> dict[str, str] | None:
    """The values percent-decoded exactly once; None unless every one is printable UTF-8 without a slash."""
    values: dict[str, str] = {}
    for name, text in raw.items():
        try:
            value = unquote_to_bytes(text).decode() if "%" in text else text
        except UnicodeDecodeError:
            return None
        if "/" in value or not value.isprintable():
            return None
        values[name] = value
    return values
