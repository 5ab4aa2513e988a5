"""Hosts: the route that is chosen by its host must not be missed by writing the host in another way."""

from tests.hostile.cases import AGENT, Case, ask, passed, refused

SAME = (
    "inside.example",
    "INSIDE.example",
    "Inside.Example",
    "inside.example:80",
    "inside.example:8080",
    "inside.example:0",
    "inside.example.",
    "inside.example.:80",
)
"""/inside is for admins there, whatever the case, the port and the dot of the root."""
OTHERS = ("x.inside.example", "inside.example.evil.example", "inside.exampl", "[::1]", "127.0.0.1")
"""Other hosts: there the route is public."""
UNREADABLE = (
    "inside.example evil.example",
    "inside.example/x",
    "inside.example\\",
    "in<side>.example",
    "inside.example\x00",
)
AMBIGUOUS = (
    "inside.example,fort",
    "fort,inside.example",
    "user@inside.example",
    "inside.example..",
    "%69nside.example",
    "inside.example;",
    "[::1",
    "[inside.example]",
)
"""Hosts that a lenient upstream might take for inside.example."""

CASES: list[Case] = [
    *(refused(f"{host} for an agent", ask("/inside", AGENT, host=host), 403, "access-denied") for host in SAME),
    *(refused(f"{host} for nobody", ask("/inside", host=host), 401, "credential-missing") for host in SAME),
    *(passed(f"{host} is another", ask("/inside", host=host), "/inside") for host in OTHERS),
    *(refused(f"{host!r}", ask("/inside", host=host), 400, "bad-request") for host in UNREADABLE),
    refused("absolute form beats Host", ask("http://inside.example/inside", host="fort"), 401, "credential-missing"),
    passed("absolute form beats Host, the other way", ask("http://fort/inside", host="inside.example"), "/inside"),
    *(refused(f"{host!r}", ask("/inside", host=host), 400, "host-invalid") for host in AMBIGUOUS),
    refused("two hosts", ask("/inside", "host: inside.example"), 400, "host-invalid"),
    refused("two hosts, the other way", ask("/inside", "host: fort", host="inside.example"), 400, "host-invalid"),
    refused("two equal hosts", ask("/inside", "host: fort"), 400, "host-invalid"),
    refused("userinfo in absolute form", ask("http://user@inside.example/inside"), 401, "credential-missing"),
    refused("no host", b"GET /inside HTTP/1.1\r\n\r\n", 400, "bad-request"),
    *(passed(f"a host of nothing: {host!r}", ask("/inside", host=host), "/inside") for host in ("", ".", ":80")),
    passed("x-forwarded-host chooses nothing", ask("/inside", "x-forwarded-host: inside.example"), "/inside"),
    passed("x-original-host chooses nothing", ask("/inside", "x-original-host: inside.example"), "/inside"),
    passed("forwarded chooses nothing", ask("/inside", "forwarded: host=inside.example"), "/inside"),
    refused("x-original-url chooses no path", ask("/admin", AGENT, "x-original-url: /open"), 403, "access-denied"),
    refused("x-rewrite-url chooses no path", ask("/admin", AGENT, "x-rewrite-url: /open"), 403, "access-denied"),
]
