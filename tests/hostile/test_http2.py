"""The same attacks in the frames of HTTP/2: what no parser would let through is reset, and the rest is judged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hostile.cases import ADMIN, AGENT, ALICE, CUSTOMER, NOBODY, Caller
from tests.hostile.fort import Fort
from tests.hostile.http2 import Headers, Reply, head, request
from tests.hostile.test_attacks import caller_of

pytestmark = pytest.mark.e2e


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


KEY, ADMIN_KEY, CUSTOMER_KEY = _header(AGENT), _header(ADMIN), _header(CUSTOMER)
KNOWN = (*head("/known"), KEY)
METHOD, SCHEME, AUTHORITY, PATH = head()
COOKIE, LOW = f"session={KEY[1]}", ("x-risk", "low")
INSIDE = "inside.example"

RESET: dict[str, Headers] = {
    # malformed: no answer, the stream or the connection ends
    "a name in capitals": (*KNOWN, ("X-Gate-User", "forged")),
    "a credential's name in capitals": (*head("/known"), ("X-API-Key", KEY[1])),
    "no authority": (METHOD, SCHEME, ("x-a", "b"), PATH),
    "two authorities": (*head("/inside"), (":authority", INSIDE)),
    "two hosts": (*head("/inside"), ("host", "fort"), ("host", INSIDE)),
    "userinfo": head("/inside", authority="a@inside.example"),
    "a path in the authority": head("/inside", authority="inside.example/x"),
    "a path without a slash": head("admin"),
    "an empty path": head(""),
    "a star": head("*"),
    "absolute form": head("http://fort/admin"),
    "a blank in the path": head("/open x"),
    "a request in the path": head("/open HTTP/1.1\r\nx-gate-user: forged"),
    "a NUL in the path": head("/open\0"),
    "two paths": (*head("/open"), (":path", "/admin")),
    "no path": (METHOD, SCHEME, AUTHORITY),
    "no method": (SCHEME, AUTHORITY, PATH),
    "two methods": (*head("/open"), (":method", "DELETE")),
    "a request in the method": head(method="GET /admin HTTP/1.1\r\nx"),
    "an empty method": head(method=""),
    "no scheme": (METHOD, AUTHORITY, PATH),
    "a URL in the scheme": head(scheme="http://evil/"),
    "an unknown pseudo-header": (*head(), (":gate-user", "forged")),
    "a pseudo-header of answers": (*head(), (":status", "200")),
    "a protocol without CONNECT": (*head(), (":protocol", "websocket")),
    "a pseudo-header behind others": (METHOD, SCHEME, AUTHORITY, KEY, PATH),
    "a header in a name": (*head(), ("x-a\r\nx-gate-user", "forged")),
    "a colon in a name": (*head(), ("x-gate-user:", "forged")),
    "a blank in a name": (*head(), ("x-gate-user ", "forged")),
    "an empty name": (*head(), ("", "forged")),
    "an underscore in a name": (*head(), ("x_gate_user", "forged")),
    "a NUL in a name": (*head(), ("x-gate\0-user", "forged")),
    "a name beyond ASCII": (*head(), ("x-g\xe4te", "forged")),
    "CR LF in a value": (*KNOWN, ("x-a", "b\r\nx-gate-user: forged")),
    "LF in a value": (*KNOWN, ("x-a", "b\nx-gate-user: forged")),
    "CR in a value": (*KNOWN, ("x-a", "b\rx-gate-user: forged")),
    "NUL in a value": (*KNOWN, ("x-a", "b\0c")),
    "connection": (*KNOWN, ("connection", "x-gate-user")),
    "keep-alive": (*KNOWN, ("keep-alive", "x-gate-user")),
    "proxy-connection": (*KNOWN, ("proxy-connection", "x-gate-user")),
    "transfer-encoding": (*KNOWN, ("transfer-encoding", "chunked")),
    "upgrade": (*KNOWN, ("upgrade", "h2c")),
    "te of something else": (*KNOWN, ("te", "gzip")),
    "a length without a body": (*KNOWN, ("content-length", "5")),
    "101 headers": (*KNOWN, *((f"x-{number}", "1") for number in range(101))),
    "200 cookies": (*KNOWN, *(("cookie", f"a{number}=1") for number in range(200))),
    "a header of 40 KB": (*KNOWN, ("x-big", "a" * 40_000)),
    "CONNECT with a path": head("/admin", method="CONNECT"),
    "extended CONNECT": (*head(method="CONNECT"), (":protocol", "websocket")),
}
REFUSED: dict[str, tuple[Headers, int, str]] = {
    "authority beats Host": (
        (*head("/inside", authority=INSIDE), ("host", "fort")),
        401,
        "credential-missing",
    ),
    "Host for an authority": (
        (METHOD, SCHEME, (":path", "/inside"), ("host", INSIDE)),
        401,
        "credential-missing",
    ),
    "an authority of two hosts": (head("/inside", authority="fort,inside.example"), 400, "host-invalid"),
    "the dot of the root": (head("/inside", authority="inside.example."), 401, "credential-missing"),
    "dot segments": ((*head("/open/../admin"), KEY), 403, "access-denied"),
    "an escaped slash": (head("/open/..%2fadmin"), 400, "bad-request"),
    "a fragment": (head("/open#/../admin"), 400, "bad-request"),
    "blanks around a key": ((*head("/known"), ("x-api-key", f" {KEY[1]} ")), 401, "key-invalid"),
    "two keys": ((*KNOWN, ADMIN_KEY), 400, "credential-duplicated"),
    "the same key twice": ((*KNOWN, KEY), 400, "credential-duplicated"),
    "a key and a token": ((*KNOWN, ("authorization", "Bearer x")), 400, "credentials-ambiguous"),
    "two keys in crumbs of cookies": ((*head(), ("cookie", COOKIE), ("cookie", COOKIE)), 400, "credential-duplicated"),
    "a key in a crumb of cookies and in a header": (
        (*head(), KEY, ("cookie", "a=1"), ("cookie", COOKIE)),
        400,
        "credential-duplicated",
    ),
    "a denied query": ((*head("/risky/x?force=yes"), KEY, LOW), 403, "access-denied"),
    "a denied header, said twice": ((*head("/risky/x"), KEY, LOW, ("x-risk", "high")), 403, "access-denied"),
    "a denied header with obs-text": ((*head("/risky/x"), KEY, ("x-risk", "low\xa0")), 403, "access-denied"),
    "a method in small letters": ((*head("/tickets", "get"), KEY), 403, "access-denied"),
    "a record of another": ((*head("/customers/43"), CUSTOMER_KEY), 403, "access-denied"),
    "CONNECT": (((":method", "CONNECT"), (":authority", "fort:443")), 404, "not-found"),
    "OPTIONS of everything": (head("*", "OPTIONS"), 404, "not-found"),
}
PASSED: dict[str, tuple[Headers, Caller]] = {
    "Host does not beat authority": ((*head("/inside"), ("host", INSIDE)), NOBODY),
    "forged identity": ((*head(), ("x-gate-user", "forged"), ("x-envoy-internal", "forged")), NOBODY),
    "forged identity beside a key": ((*KNOWN, ("x-gate-user", "forged"), ("x-gate-roles", "forged")), ALICE),
    "forged identity twice": ((*KNOWN, ("x-gate-plan", "forged"), ("x-gate-plan", "forged")), ALICE),
    "forged signed identity": ((*head(), ("x-gate-identity", "forged")), NOBODY),
    "forged signed identity beside a key": ((*KNOWN, ("x-gate-identity", "forged"), ("te", "trailers")), ALICE),
    "a key in a crumb of cookies": ((*head("/known"), ("cookie", "a=1"), ("cookie", COOKIE), ("cookie", "b")), ALICE),
    "te: trailers": ((*KNOWN, ("te", "trailers")), ALICE),
    "another scheme": ((*head("/known", scheme="https"), KEY), ALICE),
}


def ask(fort: Fort, headers: Headers, body: bytes | None = None, trailers: Headers = ()) -> Reply:
    with fort.connect() as sock:
        return request(sock, headers, body, trailers)


@pytest.fixture(scope="module")
def endings(fort: Fort) -> dict[str, Reply]:
    """What came of everything malformed. All at once: Envoy takes a second for each (delayed close)."""
    with ThreadPoolExecutor(max_workers=len(RESET)) as pool:
        replies = dict(zip(RESET, pool.map(lambda headers: ask(fort, headers), RESET.values()), strict=True))
    assert fort.upstream.take() == []
    return replies


@pytest.mark.parametrize("name", RESET)
def test_what_is_malformed_gets_no_answer(endings: dict[str, Reply], name: str) -> None:
    assert endings[name].status == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_odd_is_refused_for_its_reason(fort: Fort, name: str) -> None:
    headers, status, reason = REFUSED[name]
    reply = ask(fort, headers)
    assert (reply.status, f"urn:gatectl:error:{reason}" in reply.body.decode()) == (status, True)
    assert fort.upstream.take() == []


@pytest.mark.parametrize("name", PASSED)
def test_what_is_let_through_is_told_of_the_proven_caller_only(fort: Fort, name: str) -> None:
    headers, caller = PASSED[name]
    assert ask(fort, headers).status == 200
    [seen] = fort.upstream.take()
    assert caller_of(seen) == caller
    assert "forged" not in str(seen)


@pytest.mark.parametrize(("trailer", "status"), [("x-gate-user", 200), ("x_gate_user", 0), (":path", 0)])
def test_trailers_tell_the_upstream_nothing(fort: Fort, trailer: str, status: int) -> None:
    assert ask(fort, (*head("/known", "POST"), KEY), b"abc", ((trailer, "forged"),)).status == status
    assert all(caller_of(seen) == ALICE and "forged" not in str(seen) for seen in fort.upstream.take())


def test_an_upstream_that_gets_trailers_gets_none_that_the_gateway_writes(fort: Fort) -> None:
    own = (("x-gate-user", "forged"), ("x-gate-identity", "forged"), ("x-gate-any", "forged"))
    trailers = (*own, ("x-envoy-internal", "forged"), ("x-kept", "1"))
    forwarded = (("x-forwarded-client-cert", "forged"), ("x-forwarded-host", "forged"))
    assert ask(fort, (*head("/streams", "POST"), KEY), b"abc", (*trailers, *forwarded)).status == 200
    [seen] = fort.upstream.take()
    assert caller_of(seen) == ALICE
    assert seen.header("x-kept") == ["1"]
    assert "forged" not in str(seen)


def test_a_credential_in_trailers_is_none(fort: Fort) -> None:
    assert ask(fort, head("/known", "POST"), b"abc", (KEY,)).status == 401
    assert fort.upstream.take() == []


def test_a_body_shorter_than_its_length_is_no_request(fort: Fort) -> None:
    assert ask(fort, (*head("/known", "POST"), KEY, ("content-length", "5")), b"abc").status == 0
