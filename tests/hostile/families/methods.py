"""Methods, and what pretends to be another one."""

from tests.hostile.cases import ADMIN, AGENT, ALICE, ROOT, Case, ask, passed, refused

OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
UNGRANTED = ("HEAD", "PUT", "DELETE", "PATCH", "PURGE", "PROPFIND", "LOCK", "TRACE")
UNREADABLE = ("get", "Get", "GETT", "G\xcbT", "G@T", "GET\x00", "", "A" * 300)

CASES: list[Case] = [
    passed("GET is granted", ask("/tickets", AGENT), "/tickets", ALICE),
    passed("POST is granted", ask("/tickets", AGENT, "content-length: 0", method="POST"), "/tickets", ALICE, "POST"),
    *(refused(f"{method} is not", ask("/tickets", AGENT, method=method), 403, "access-denied") for method in UNGRANTED),
    *(refused(f"{method!r}", ask("/tickets", AGENT, method=method), 400, "bad-request") for method in UNREADABLE),
    *(
        refused(
            f"{name} makes no DELETE out of GET for nobody", ask("/tickets", f"{name}: GET"), 401, "credential-missing"
        )
        for name in OVERRIDES
    ),
    *(
        refused(
            f"DELETE with {name}: GET", ask("/tickets", AGENT, f"{name}: GET", method="DELETE"), 403, "access-denied"
        )
        for name in OVERRIDES
    ),
    refused("OPTIONS without an origin is no preflight", ask("/tickets", method="OPTIONS"), 401, "credential-missing"),
    refused(
        "OPTIONS with an origin and no method is no preflight",
        ask("/admin", "origin: https://app.example.com", method="OPTIONS"),
        401,
        "credential-missing",
    ),
    refused("OPTIONS of everything", ask("*", method="OPTIONS"), 404, "not-found"),
    refused("CONNECT to an authority", ask("fort:443", ADMIN, method="CONNECT"), 404, "not-found"),
    refused("CONNECT to a path", ask("/admin", method="CONNECT"), 400, "bad-request"),
    passed("any method where the rule names none", ask("/admin", ADMIN, method="DELETE"), "/admin", ROOT, "DELETE"),
    Case(
        "a preflight ends at the gateway",
        ask("/admin", "origin: https://app.example.com", "access-control-request-method: DELETE", method="OPTIONS"),
        200,
    ),
    Case(
        "a preflight of a stranger ends there too",
        ask("/admin", "origin: https://evil.example", "access-control-request-method: DELETE", method="OPTIONS"),
        200,
    ),
]
