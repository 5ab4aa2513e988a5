"""Every token of the table, through Envoy: a bad token is refused on public routes too."""

from tests.ext_authz.hostile_tokens import HOSTILE
from tests.hostile.cases import Case, ask, refused

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


CASES: list[Case] = [case for name, told in HOSTILE.items() if (case := _case(name, *told)) is not None]
