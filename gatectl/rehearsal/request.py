"""A request as somebody might send it, and what came back."""

import re
from dataclasses import dataclass

from gatectl.diagnostics import GatectlError

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
"""``name: value`` (RFC 9110 section 5): the underscore too, so that it can be seen to be refused."""
_METHOD = re.compile(r"[A-Z]{1,20}")
DEFAULT_HOST = "localhost"
DEFAULT_ADDRESS = "203.0.113.1"
"""An address of nobody (RFC 5737): what is shown does not depend on the machine."""


@dataclass(frozen=True)
class Request:
    """``path`` goes out as it is, query included; ``address`` is the client's IP address; ``body_size`` in bytes."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    host: str = DEFAULT_HOST
    address: str = DEFAULT_ADDRESS
    body_size: int = 0
    certificate: str = ""
    """Whose client certificate its connection was made with, as Envoy names it; empty without one."""


@dataclass(frozen=True)
class Answer:
    """What the client got. Header names are lower-case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for known, value in self.headers if known == name), None)


def method_and_path(words: list[str]) -> tuple[str, str]:
    """``GET /path`` or ``/path`` alone, which means GET. Raises GatectlError (usage)."""
    *method, path = words
    well_named = len(words) <= 2 and all(_METHOD.fullmatch(word) for word in method)
    if not well_named or not re.fullmatch(r"[!-~]+", path) or _METHOD.fullmatch(path):
        raise GatectlError("name a request as METHOD and PATH, such as: GET /api/v1/tickets", 64)
    return (method[0] if method else "GET"), path


def header(text: str) -> tuple[str, str]:
    """``name: value`` as a pair. Raises GatectlError (usage)."""
    match = HEADER.fullmatch(text)
    if match is None or re.search(r"[^\t\x20-\x7e]", match[2]):
        raise GatectlError("a header is given as 'name: value', in printable ASCII", 64)
    return match[1], match[2]
