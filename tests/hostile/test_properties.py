"""Any header soup, any path, any method through a real gateway: what gets through was allowed, to the proven caller."""

import time
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ext_authz.worlds import AGENT_KEY, bearer, claims
from tests.hostile.cases import ADMIN, AGENT, ALICE, CUSTOMER, NOBODY, ROOT, SHOP, Caller, ask
from tests.hostile.families.identity import FORGED
from tests.hostile.fort import Fort
from tests.hostile.recorder import Seen
from tests.hostile.records import ADMIN_KEY
from tests.hostile.test_attacks import CREDENTIALS, caller_of
from tests.hostile.wire import read

pytestmark = pytest.mark.e2e

DEADLINE_SECONDS = 2.0
"""Envoy waits a second for ext_authz; the rest is for a busy machine."""
TOKEN = bearer(claims(sub="42", roles=["customer"]))
GOOD = {AGENT: ALICE, ADMIN: ROOT, CUSTOMER: SHOP, f"authorization: {TOKEN}": Caller("42", "customer", None, "jwt")}

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12)
SEGMENTS = st.sampled_from(
    ["open", "known", "admin", "tickets", "customers", "42", "43", "%34%32", "inside", "counted"] * 2
    + ["..", ".", "", "%2e%2e", "..;", "%2f", "%5c", "\\", "*", "{id}", "%00", "%61dmin", "%zz", "%ff", "a;b"]
)
PATHS = st.builds(
    lambda segments, end: "/" + "/".join(segments) + end,
    st.lists(SEGMENTS | TEXT.filter(lambda text: " " not in text), min_size=1, max_size=5),
    st.sampled_from(["", "", "", "?", "?x=/../admin", "#f", "/", "%20"]),
)
METHODS = st.sampled_from(["GET"] * 5 + ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X"])
NAMES = st.sampled_from(
    ["x-api-key", "authorization", "X-Gate-User", "x-gate-roles", "connection", "te", "cookie", "host"]
)
VALUES = TEXT | st.sampled_from([AGENT_KEY, ADMIN_KEY[:-1], TOKEN, TOKEN[:-3], "Bearer a.b.c", "x-gate-user", "close"])
LINES = st.sampled_from(FORGED) | st.builds(lambda name, value: f"{name}: {value}", NAMES, VALUES)
HEADERS = st.builds(
    lambda known, others: [*known, *others],
    st.lists(st.sampled_from(sorted(GOOD)), max_size=1),
    st.lists(LINES, max_size=4),
)


def credentials(headers: list[str]) -> set[str]:
    """The values of all credential headers that a request carries."""
    pairs = (line.partition(":") for line in headers)
    return {f"{name.lower()}: {value.strip()}" for name, _, value in pairs if name.lower() in CREDENTIALS}


def may(seen: Seen, caller: Caller) -> bool:
    """Who may see which of the upstream's pages, told apart from the gateway's spec."""
    first, *rest = seen.target.partition("?")[0].split("/")[1:]
    reads = seen.method == "GET"
    return {
        "open": True,
        "counted": not rest,
        "inside": not rest and seen.header("host") != ["inside.example"],
        "known": caller is not NOBODY,
        "tickets": caller is ALICE and seen.method in {"GET", "POST"},
        "admin": caller is ROOT,
        "customers": reads and (caller is ROOT or (caller.user == "42" and [unquote(text) for text in rest] == ["42"])),
    }.get(first, False)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(method=METHODS, path=PATHS, headers=HEADERS)
def test_what_gets_through_was_allowed_to_the_caller_that_the_upstream_is_told_of(
    fort: Fort, method: str, path: str, headers: list[str]
) -> None:
    fort.upstream.take()
    started = time.monotonic()
    with fort.connect() as connection:
        connection.sendall(ask(path, *headers, method=method))
        with connection.makefile("rb") as stream:
            answer = read(stream, bodiless=method == "HEAD")
    assert time.monotonic() - started < DEADLINE_SECONDS
    assert answer is not None
    assert answer.status in {200, 400, 401, 403, 404, 429, 431}
    assert (answer.status == 401) == ("www-authenticate" in answer.headers)
    sent = credentials(headers)
    for seen in fort.upstream.take():
        caller = NOBODY if not sent or caller_of(seen) == NOBODY else GOOD[next(iter(sent))]
        assert caller_of(seen) == caller
        assert may(seen, caller), (seen, caller)
        if caller is NOBODY and sent:  # Connection named the credential, so it was taken away before it was looked at
            assert any(line.lower().startswith("connection") for line in headers)
        assert "forged" not in str(seen).replace("/forged", "")
    assert fort.upstream.broken == []
