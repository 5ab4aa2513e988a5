"""Bodies: never looked at by an access decision, and never larger than allowed."""

import gzip

from tests.hostile.cases import AGENT, ALICE, Case, ask, passed, refused

LARGE = 64 * 1024 + 1


def _post(path: str, body: bytes, *headers: str) -> bytes:
    return ask(path, f"content-length: {len(body)}", *headers, method="POST", body=body)


def _chunked(path: str, body: bytes, *headers: str) -> bytes:
    return ask(
        path, "transfer-encoding: chunked", *headers, method="POST", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )


TWICE = b'{"role": "user", "role": "admin"}'
CASES: list[Case] = [
    refused("too large, by its length", _post("/known", b"x" * LARGE, AGENT), 413, "content-too-large"),
    refused("too large, in chunks", _chunked("/known", b"x" * LARGE, AGENT), 413, "content-too-large"),
    refused("too large, from nobody", _post("/known", b"x" * LARGE), 413, "content-too-large"),
    passed("as large as allowed", _post("/known", b"x" * (LARGE - 1), AGENT), "/known", ALICE, "POST"),
    passed(
        "a partial body is not asked for",
        _post("/known", b"x", AGENT, "x-envoy-auth-partial-body: true"),
        "/known",
        ALICE,
        "POST",
    ),
    passed(
        "compressed", _post("/known", gzip.compress(TWICE), AGENT, "content-encoding: gzip"), "/known", ALICE, "POST"
    ),
    passed("in chunks", _chunked("/known", b"{}", AGENT), "/known", ALICE, "POST"),
    passed(
        "JSON with a name twice",
        _post("/known", TWICE, AGENT, "content-type: application/json"),
        "/known",
        ALICE,
        "POST",
    ),
    passed(
        "said to be a form",
        _post("/known", TWICE, AGENT, "content-type: application/x-www-form-urlencoded"),
        "/known",
        ALICE,
        "POST",
    ),
    refused("a body that claims a role", _post("/tickets", b"x-gate-roles=agent"), 401, "credential-missing"),
    refused("a GET with a body is a GET", ask("/admin", AGENT, "content-length: 3", body=b"abc"), 403, "access-denied"),
]
