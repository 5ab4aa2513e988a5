"""Servers of OpenAPI → the endpoint of the upstream, and what every path begins with."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gatectl.importing.openapi_document import Document
from gatectl.spec.tree import Node

PLACEHOLDER = "127.0.0.1:9001"
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True)
class Server:
    """``endpoint`` is ``host:port``; ``base`` has no slash at its end."""

    endpoint: str
    base: str
    tls: bool = False


def server_of(document: Document) -> Server:
    """The first server. The others are alternatives, not replicas: they are told."""
    node = document.field(document.tree, "servers")
    servers = document.items(node, "servers")
    for other in servers[1:]:
        document.note("only the first server becomes the upstream: the others are other places", other.at)
    url = _url(document, servers[0]) if servers else ""
    at = servers[0].at if servers else document.tree.at
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        document.note(f'the address of the server cannot be read: "{url[:80]}"', at)
        parts, host, port = urlsplit(""), "", None
    host = f"[{host}]" if ":" in host else host
    if not host or not _HOST.fullmatch(host) or port == 0:
        message = f"the document names no host: the upstream is {PLACEHOLDER}, which is nobody's"
        document.note(message, at, "put the real endpoints in upstreams", decided=True)
        return Server(PLACEHOLDER, parts.path.rstrip("/"))
    tls = parts.scheme == "https"
    return Server(f"{host}:{port or (443 if tls else 80)}", parts.path.rstrip("/"), tls)


def _url(document: Document, server: Node) -> str:
    """Its address, with the default of each variable."""
    variables = document.field(server, "variables")

    def default(variable: re.Match[str]) -> str:
        node = document.field(variables, variable[1]) if variables is not None else None
        found = document.field(node, "default") if node is not None else None
        return str(found.value) if found is not None and not isinstance(found.value, (dict, list)) else variable[1]

    return _VARIABLE.sub(default, document.text(server, "url") or "")
