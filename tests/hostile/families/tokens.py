"""Every token of the table, and revoked ones, through Envoy: a bad token is refused on public routes too."""

from typing import Any

from tests.ext_authz.hostile_tokens import HOSTILE
from tests.ext_authz.worlds import NOW, bearer, claims
from tests.hostile.cases import Caller, Case, ask, passed, refused

ENVOY_SAYS = {
    "scheme and space": (401, "scheme-unsupported"),
    "a megabyte": (431, "request-header-fields-too-large"),
}
"""What is no header, or too large for one, does not get as far as ext_authz."""
TRIMMED = {"trailing space", "newline"}
"""Outer spaces are no part of a header's value, and a newline ends it: what ext_authz gets is a good token."""


def _case(name: str, value: str, reason: str) -> Case | None:
    if name in TRIMMED:
        return None
    try:
        sent = ask("/open", f"authorization: {value.encode().decode('latin-1')}")
    except UnicodeEncodeError:  # a lone surrogate: there are no bytes for it
        return None
    return refused(name, sent, *ENVOY_SAYS.get(name, (401, reason)))


REVOKED: dict[str, dict[str, Any]] = {
    "by its id": {"jti": "lost"},
    "by its id and issuer": {"jti": "lost, of this issuer"},
    "by its user": {"sub": "mallory"},
    "by its user, issued before": {"sub": "mallory", "iat": NOW - 60},
    "by its user, with an id": {"sub": "mallory", "jti": "new"},
    "by its time": {"iat": NOW - 7200},
    "by its time, to the fraction": {"iat": NOW - 7200.5},
    "by its time, and another user": {"iat": NOW - 7201, "sub": "root"},
}
IN_FORCE: dict[str, dict[str, Any]] = {
    "another id": {"jti": "Lost"},
    "an id that begins so": {"jti": "lost "},
    "the id of another issuer's token": {"jti": "lost, of another issuer"},
    "issued after the user was revoked": {"sub": "mallory", "iat": NOW + 1},
    "a user that is written otherwise": {"sub": "Mallory"},
    "issued after the time": {"iat": NOW - 7199},
}


def _token(changes: dict[str, Any]) -> str:
    return f"authorization: {bearer(claims(**changes))}"


HOSTILE_CASES = [case for name, told in HOSTILE.items() if (case := _case(name, *told)) is not None]
CASES: list[Case] = [
    *HOSTILE_CASES,
    *(
        refused(f"revoked {name} on {path}", ask(path, _token(changes)), 401, "token-revoked")
        for name, changes in REVOKED.items()
        for path in ("/open", "/known")
    ),
    *(
        passed(
            f"not revoked: {name}",
            ask("/known", _token(changes)),
            "/known",
            Caller(changes.get("sub", "alice"), "agent", None, "jwt"),
        )
        for name, changes in IN_FORCE.items()
    ),
]
