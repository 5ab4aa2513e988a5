"""For every rule, specs that break it, with § where it must be told, and specs that come near and do not.

Each is laid over ``BASE``, in which nothing is found, unless it is a whole spec itself.
"""

from typing import NamedTuple

BASE = """\
version: 1
name: careful
listener: {address: 127.0.0.1}
authentication: {api_keys: {}}
abuse: {requests_per_address: 200/second}
upstreams: {u: {endpoints: ["127.0.0.1:9001"], health_check: {path: /healthz}}}
routes:
  - {name: r, match: {path: /r, methods: [GET]}, upstream: u, access: {roles: [a]}}
rate_limits:
  - {name: l, per: [user], limit: 100/minute}
rate_limiting: {when_redis_is_away: deny}
"""
TOKENS_ONLY = """\
version: 1
name: tokens
authentication:
  jwt: [{name: j, issuer: i, audiences: [a], jwks: {file: f}, claims: {CLAIMS}}]
upstreams: {u: {endpoints: ["127.0.0.1:9001"]}}
"""
UNLIMITED = BASE.partition("rate_limits:")[0]
ROUTE = "routes: [{name: r, match: {path: /r}, upstream: u, access: {roles: [a]}}]\n"
SHA_PASSWORD = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
SHA = "ab" * 32


class Case(NamedTuple):
    """Texts that break a rule, and texts that do not."""

    breaks: tuple[str, ...]
    keeps: tuple[str, ...]


def new(match: str, access: str = "public", more: str = "") -> str:
    """A further route on path /n; ``match`` says the rest of its match."""
    path = "" if "path" in match else "path: /n" + (", " if match else "")
    return f"routes: [{{name: n, match: {{{path}{match}}}, upstream: u, access: {access}{more}}}]"


def limits(*texts: str) -> str:
    return "rate_limits: [" + ", ".join(f"{{{text}}}" for text in texts) + "]"


def upstream(text: str, use: str = "[GET]") -> str:
    route = f"routes: [{{name: n, match: {{path: /n, methods: {use}}}, upstream: v, access: {{roles: [a]}}}}]"
    return f"upstreams: {{{text}}}\n{route}"


def cors(text: str) -> str:
    return f"cors: {{{text}}}"


def static(*texts: str) -> str:
    return "authentication: {api_keys: {static: [" + ", ".join(f"{{{text}}}" for text in texts) + "]}}"


def issuer(text: str) -> str:
    return f"authentication: {{jwt: [{{name: j, issuer: i, audiences: [a], {text}}}]}}"
