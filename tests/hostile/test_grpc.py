"""Clients that speak gRPC are refused in the words of gRPC: a trailers-only answer with the right status."""

import pytest

from tests.ext_authz.worlds import AGENT_KEY, bearer
from tests.hostile.fort import Fort
from tests.hostile.http2 import Reply, head, request

pytestmark = pytest.mark.e2e

OK, RESOURCE_EXHAUSTED, PERMISSION_DENIED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = (
    0,
    8,
    7,
    12,
    13,
    14,
    16,
)
KEY = ("x-api-key", AGENT_KEY)
CASES = {
    "no credential": ("/known", (), UNAUTHENTICATED, "credential-missing: This route needs a credential."),
    "a bad key": ("/open", (("x-api-key", "bad"),), UNAUTHENTICATED, "key-invalid: The API key is not valid."),
    "not granted": ("/admin", (KEY,), PERMISSION_DENIED, "access-denied: The caller may not do this."),
    "two kinds of credentials": (
        "/open",
        (KEY, ("authorization", bearer())),
        INTERNAL,
        "credentials-ambiguous: More than one kind of credential was sent.",
    ),
    "no such route": ("/nowhere", (), UNIMPLEMENTED, "not-found: Nothing is here."),
    "a path that Envoy refuses": (
        "/open%2f",
        (),
        INTERNAL,
        "bad-request: The request, its path or a header is written in a way that is not accepted.",
    ),
}


def call(fort: Fort, path: str, *headers: tuple[str, str], kind: str = "application/grpc") -> Reply:
    with fort.connect() as sock:
        return request(sock, (*head(path, "POST"), ("content-type", kind), ("te", "trailers"), *headers), b"\0" * 5)


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto"])
@pytest.mark.parametrize("name", CASES)
def test_a_refusal_has_the_status_and_a_sentence(fort: Fort, name: str, kind: str) -> None:
    path, headers, status, message = CASES[name]
    fort.upstream.take()
    reply = call(fort, path, *headers, kind=kind)
    assert (reply.headers["grpc-status"], reply.headers["grpc-message"]) == (str(status), message)
    assert (reply.status, reply.headers["content-type"], reply.trailers_only) == (200, "application/grpc", True)
    assert ("www-authenticate" in reply.headers) == (status == UNAUTHENTICATED)
    assert fort.upstream.take() == []


def test_over_the_limit_is_resource_exhausted_so_that_nobody_tries_again_at_once(fort: Fort) -> None:
    replies = [call(fort, "/counted") for _ in range(2)]
    assert replies[1].headers["grpc-status"] == str(RESOURCE_EXHAUSTED)
    assert replies[1].headers["grpc-message"].startswith('rate-limited: limit "counted" allows 1 request per hour')
    assert int(replies[1].headers["retry-after"]) > 0


def test_an_undecided_request_is_unavailable(fort: Fort) -> None:
    with fort.frozen("ext_authz"):
        reply = call(fort, "/open")
    assert reply.headers["grpc-status"] == str(UNAVAILABLE)
    assert reply.headers["grpc-message"].startswith("service-unavailable: ")


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/json", "application/grpcx"])
def test_others_get_a_problem(fort: Fort, kind: str) -> None:
    reply = call(fort, "/known", kind=kind)
    assert (reply.status, reply.headers["content-type"]) == (401, "application/problem+json")
