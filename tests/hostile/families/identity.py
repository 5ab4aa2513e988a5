"""Headers that only the gateway, or a proxy in front of it, may write; and attempts to have them removed."""

from tests.hostile.cases import AGENT, ALICE, Case, ask, passed, refused

FORGED = (
    "x-gate-user: forged",
    "X-Gate-User: forged",
    "X-GATE-ROLES: forged",
    "x-gate-plan: forged",
    "x-gate-auth-method: forged",
    "x-gate-identity: forged",
    "X-Gate-Identity: eyJhbGciOiJub25lIn0.eyJzdWIiOiJmb3JnZWQifQ.",
    "x-gate-anything: forged",
    "x-gate-: forged",
    "x-envoy-original-path: /forged",
    "x-envoy-internal: forged",
    "x-envoy-external-address: forged",
    "x-envoy-decorator-operation: forged",
    "x-envoy-downstream-service-cluster: forged",
    "x-envoy-upstream-rq-timeout-ms: 1",
    "x-envoy-retry-on: forged",
    "x-envoy-max-retries: 99",
    "x-envoy-force-trace: forged",
    "x-envoy-ip-tags: forged",
    "x-envoy-peer-metadata: forged",
    "x-envoy-auth-partial-body: forged",
    "x-forwarded-client-cert: By=spiffe://forged",
    "X-Forwarded-Client-Cert: By=forged;URI=forged",
    "x-forwarded-host: forged",
    "x-request-id: forged",
)
UNWRITABLE = (
    # header lines that are refused whole: name and value could be read in two ways
    "x_gate_user: forged",
    "x_gate_identity: forged",
    "X_Gate_User: forged",
    "x-gate_user: forged",
    "x_request_id: forged",
    "x-gate-user : forged",
    "x-gate-user\t: forged",
    "x-gate-user",
    ": forged",
    "x-gate-user\x00: forged",
    "x-gate-\xfcser: forged",
    "x-ok: a\x00b",
    "x-ok: a\x01b",
    "x(gate)user: forged",
)
NOMINATED = (
    # names in Connection (RFC 9110 section 7.6.1) ask the next hop to remove these headers
    "x-gate-user",
    "x-gate-user, x-gate-roles, x-gate-auth-method",
    "close, X-Gate-User",
    "x-gate-identity",
    "X-Gate-Identity, x-gate-plan",
    "keep-alive,x-gate-roles",
    "x-request-id",
    "te, x-gate-user",
    "authorization",
    "cookie",
    "content-length",
)
ROUTES = (("/open", None, None), ("/known", AGENT, ALICE))


def everywhere(name: str, *headers: str) -> list[Case]:
    """The same headers on a public route, on one with a known caller, and on a refused request."""
    anonymous, known = ask("/open", *headers), ask("/known", AGENT, *headers)
    return [
        passed(f"{name}, public", anonymous, "/open"),
        passed(f"{name}, known caller", known, "/known", ALICE),
        passed(f"{name}, known caller on a public route", ask("/open", *headers, AGENT), "/open", ALICE),
        refused(f"{name}, nobody", ask("/known", *headers), 401, "credential-missing"),
        refused(f"{name}, bad key", ask("/open", "x-api-key: bad", *headers), 401, "key-invalid"),
    ]


CASES: list[Case] = [
    *(case for line in FORGED for case in everywhere(line, line)),
    *everywhere("forged twice", "x-gate-user: forged", "x-gate-user: forged", "X-Gate-User: forged"),
    *everywhere("all at once", *FORGED),
    *(
        refused(f"{line!r} on {path}", ask(path, *([key] if key else []), line), 400, "bad-request")
        for line in UNWRITABLE
        for path, key, _ in ROUTES
    ),
    *(
        case
        for names in NOMINATED
        for case in everywhere(f"connection: {names}", f"connection: {names}", "x-gate-user: forged")[1:2]
    ),
    *(
        refused(f"connection: {name}", ask("/known", AGENT, f"connection: {name}"), 400, "bad-request")
        for name in ("host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", ":path")
    ),
    refused(
        "the key named in Connection is gone", ask("/known", AGENT, "connection: x-api-key"), 401, "credential-missing"
    ),
    passed("Connection twice", ask("/known", AGENT, "connection: close", "connection: x-gate-user"), "/known", ALICE),
    passed("te: trailers", ask("/known", AGENT, "te: trailers, x-gate-user"), "/known", ALICE),
    passed(
        "keep-alive and proxy-connection",
        ask("/known", AGENT, "keep-alive: x-gate-user", "proxy-connection: x-gate-user"),
        "/known",
        ALICE,
    ),
    *(
        passed(
            f"identity in trailers on {path}",
            ask(
                path,
                *([key] if key else []),
                "transfer-encoding: chunked",
                "te: trailers",
                "trailer: x-gate-user",
                method="POST",
                body=b"1\r\nx\r\n0\r\nx-gate-user: forged\r\nx-gate-identity: forged\r\n\r\n",
            ),
            path,
            caller or passed("", b"", "").caller,
            "POST",
        )
        for path, key, caller in ROUTES
    ),
    passed(
        "forwarded addresses",
        ask(
            "/known",
            AGENT,
            "x-forwarded-for: 127.0.0.1, forged",
            "x-real-ip: 10.0.0.1",
            "true-client-ip: 10.0.0.1",
            "forwarded: for=10.0.0.1",
        ),
        "/known",
        ALICE,
    ),
]
