"""Every case of every family, through a real gateway: what the client gets, and what the upstream sees."""

import contextlib
import importlib
import pkgutil
import socket
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest

from ext_authz.policy import HEADER_IDENTITY, IDENTITY_HEADERS
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, bearer, claims
from tests.hostile.cases import AGENT, ALICE, NOBODY, Caller, Case, ask, passed
from tests.hostile.fort import IDENTITY_KEY, Fort, until
from tests.hostile.recorder import Seen
from tests.hostile.records import ADMIN_KEY
from tests.hostile.wire import Answer, exchange, read

pytestmark = pytest.mark.e2e

FAMILIES = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).with_name("families"))]))
CASES = [
    pytest.param(case, id=f"{family}: {case.name}")
    for family in FAMILIES
    for case in importlib.import_module(f"tests.hostile.families.{family}").CASES
]
BEHIND = ask("/open/behind")
OWN = {
    # what the gateway itself writes under the names that it takes from clients
    "x-envoy-external-address": "127.0.0.1",
    "x-envoy-expected-rq-timeout-ms": "5000",
}
CREDENTIALS = {"x-api-key", "authorization"}


class Endings(NamedTuple):
    """What came on each connection that must be closed, by the name of its case, and what of it all went upstream."""

    answers: dict[str, list[Answer]]
    seen: list[Seen]


@pytest.fixture(scope="module")
def endings(fort: Fort) -> Endings:
    """All at once: Envoy takes a second to close each of them (delayed close)."""
    with contextlib.ExitStack() as stack:
        connections = {}
        for case in (param.values[0] for param in CASES):
            if isinstance(case, Case) and case.closes:
                connections[case.name] = stack.enter_context(fort.connect())
                connections[case.name].sendall(case.sent + BEHIND)
        answers = {name: until_the_end(connection) for name, connection in connections.items()}
        return Endings(answers, fort.upstream.take())


def until_the_end(connection: socket.socket) -> list[Answer]:
    """Every answer on a connection; none when it stays open: that is a failure of one case, not of all."""
    try:
        return exchange(connection, b"")
    except TimeoutError:
        return []


def answer_to(fort: Fort, case: Case) -> Answer:
    with fort.connect() as connection:
        connection.sendall(case.sent)
        with connection.makefile("rb") as stream:
            answer = read(stream, bodiless=case.sent.startswith(b"HEAD"))
    assert answer is not None
    return answer


def check_refusal(answer: Answer, case: Case) -> None:
    """A refusal is a problem, challenges when it should, and tells nothing of what is behind the gateway."""
    assert ("www-authenticate" in answer.headers) == (answer.status == 401)
    assert not [name for name in answer.headers if name.startswith("x-envoy-")]
    assert b"127.0.0.1" not in answer.body
    if not case.sent.startswith(b"HEAD"):
        assert answer.problem()["type"] == f"urn:gatectl:error:{case.reason}"


def caller_of(seen: Seen) -> Caller:
    """Whom the upstream is told of; the signed identity must be good, and say the same."""
    values = [seen.header(name) for name in IDENTITY_HEADERS]
    assert all(len(found) <= 1 for found in values), "an identity header came twice"
    *told, signed = (found[0] if found else None for found in values)
    caller = Caller(*told)
    assert (signed is None) == (caller == NOBODY)
    if signed is not None:
        proved = identity_of(seen)
        roles = ",".join(proved["roles"]) or None
        assert caller == Caller(proved["sub"], roles, proved.get("plan"), proved["auth_method"])
        assert proved["exp"] - proved["iat"] == 60
    return caller


def identity_of(seen: Seen) -> dict[str, Any]:
    """What the signed identity says, verified as an upstream does, but for its time."""
    [signed] = seen.header(HEADER_IDENTITY)
    ours: Any = {"algorithms": ["ES256"], "audience": "back", "issuer": "fort"}
    return jwt.decode(signed, IDENTITY_KEY.public_key(), options={"verify_exp": False, "verify_iat": False}, **ours)


def check_passage(seen: Seen, case: Case) -> None:
    """The upstream gets this request and no other, from this caller and no other."""
    assert (seen.method, seen.target, caller_of(seen)) == (case.method, case.target, case.caller)
    names = {name for name, _ in seen.headers}
    assert {name for name in names if name.startswith("x-gate-")} <= set(IDENTITY_HEADERS)
    assert {name: value for name, value in seen.headers if name.startswith("x-envoy-")} == OWN
    assert not names & {"x-forwarded-host", "x-forwarded-client-cert"}
    assert not names & CREDENTIALS
    head = (seen.target, seen.headers)
    assert not any(key in str(head) for key in (AGENT_KEY, CUSTOMER_KEY, ADMIN_KEY))
    assert seen.header("x-request-id") not in ([], ["forged"])


@pytest.mark.parametrize("case", CASES)
def test_an_attack_gets_its_answer_and_the_upstream_sees_what_it_may(fort: Fort, endings: Endings, case: Case) -> None:
    fort.upstream.take()
    if case.closes:
        [answer] = endings.answers[case.name]
    else:
        answer = answer_to(fort, case)
    seen = fort.upstream.take()
    assert answer.status == case.status, answer.body
    if case.status >= 400:
        check_refusal(answer, case)
    if case.target is None:
        assert seen == []
    else:
        [only] = seen
        check_passage(only, case)
    assert fort.upstream.broken == []


def test_nothing_reaches_the_upstream_from_a_connection_that_must_end(endings: Endings) -> None:
    assert endings.seen == []


def test_a_request_behind_a_refused_one_is_judged_by_itself(fort: Fort) -> None:
    fort.upstream.take()
    with fort.connect() as connection:
        first, second, third = ask("/known"), ask("/known", AGENT), ask("/known", "connection: close")
        answers = exchange(connection, first + second + third)
    assert [answer.status for answer in answers] == [401, 200, 401]
    assert [caller_of(seen) for seen in fort.upstream.take()] == [ALICE]


def test_a_malformed_request_behind_a_good_one_ends_the_connection(fort: Fort) -> None:
    fort.upstream.take()
    with fort.connect() as connection:
        answers = exchange(connection, ask("/known", AGENT) + ask("/known", AGENT, "x : y") + BEHIND)
    assert [answer.status for answer in answers] == [200, 400]
    assert len(fort.upstream.take()) == 1


def test_a_rewritten_path_tells_no_key_of_the_original_one(fort: Fort) -> None:
    fort.upstream.take()
    assert answer_to(fort, passed("", ask(f"/moved/x?key={AGENT_KEY}&a=1"), "/to/x?a=1")).status == 200
    [seen] = fort.upstream.take()
    assert (seen.target, seen.header("x-envoy-original-path")) == ("/to/x?a=1", ["/moved/x?a=1"])
    assert AGENT_KEY not in str(seen)


def test_no_log_holds_a_credential_that_stands_where_credentials_do(fort: Fort) -> None:
    log, ours = fort.directory / "envoy.log", fort.directory / "ext_authz.log"
    files = {file: file.stat().st_size for file in (log, ours, fort.directory / "audit" / "ext_authz.jsonl")}
    token = bearer(claims(jti="told"))
    lines = (AGENT, f"cookie: session={AGENT_KEY}", f"authorization: {token}", f"referer: /?key={AGENT_KEY}")
    for path in ("/known", "/admin", "/known%2f", "/last"):
        for sent in (ask(f"{path}?key={AGENT_KEY}"), *(ask(path, line) for line in lines)):
            with fort.connect() as connection, connection.makefile("rb") as stream:
                connection.sendall(sent)
                assert read(stream) is not None
    fort.upstream.take()
    until(lambda: log.read_bytes().count(b'"/last"') > len(lines), "Envoy has written its access log")
    written = b"".join(file.read_bytes()[start:] for file, start in files.items())
    assert AGENT_KEY.encode() not in written
    assert token.removeprefix("Bearer ").encode() not in written
