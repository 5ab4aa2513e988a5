"""Credentials that stand under a name among other things: query parameters and cookies.

One name has one spelling here. Upstreams differ in what they take for the same name, so a value whose name only means
the wanted one (``api%5Fkey``) counts as a credential, and as one that is never right.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

NEVER_RIGHT = ""
"""Stands for the value under another spelling of the name: no authenticator accepts it."""
MOST_PAIRS = 256
"""Of a query or a Cookie header. One with more is not searched, so that it costs us nothing: it counts as a credential
that is never right."""
_COOKIE_SEPARATORS = re.compile(r"[;,]")


class _Pair(NamedTuple):
    name: str
    value: str


def query_values(target: str, name: str) -> Sequence[str]:
    """Every value of a query parameter of a request target, as sent: nothing is decoded."""
    query = target.partition("?")[2]
    if query.count("&") >= MOST_PAIRS:
        return (NEVER_RIGHT,)
    return [_judged(pair, name) for pair in map(_pair, query.split("&")) if _means(pair, name)] if query else ()


def cookie_values(header: str | None, name: str) -> Sequence[str]:
    """Every value of a cookie (RFC 6265 section 4.2.1), as sent.

    A comma ends a cookie too: that is how a repeated header may have been merged.
    """
    if header is None:
        return ()
    if header.count(";") + header.count(",") >= MOST_PAIRS:
        return (NEVER_RIGHT,)
    return [_judged(pair, name) for pair in map(_pair, _COOKIE_SEPARATORS.split(header)) if _means(pair, name)]


def without_cookie(header: str, name: str) -> str:
    """The Cookie header without a cookie; all others as they were sent. Empty when nothing is left."""
    parts = re.split(f"({_COOKIE_SEPARATORS.pattern})", header)
    kept = [(mark, part) for mark, part in zip(["", *parts[1::2]], parts[::2], strict=True) if not _is(part, name)]
    return "".join(mark + part for mark, part in kept).lstrip(";, \t")


def without_query(target: str, name: str) -> str:
    """The request target without a query parameter; all others as they were sent, in their order.

    (Envoy's own ``query_parameters_to_remove`` sorts what is left, and makes ``a=`` of ``a``.)
    """
    path, mark, query = target.partition("?")
    rest = "&".join(part for part in query.split("&") if not _is(part, name))
    return f"{path}{mark}{rest}" if rest else path


def _is(part: str, name: str) -> bool:
    return _means(_pair(part), name)


def _pair(text: str) -> _Pair:
    name, _, value = text.strip(" \t").partition("=")
    return _Pair(name, value)


def _means(pair: _Pair, name: str) -> bool:
    return pair.name == name or unquote_plus(pair.name).strip() == name


def _judged(pair: _Pair, name: str) -> str:
    return pair.value if pair.name == name else NEVER_RIGHT
