"""Rules: what is odd, missing or said twice opens nothing, and gets nobody around a denial."""

from tests.ext_authz.worlds import bearer, claims
from tests.hostile.cases import ADMIN, AGENT, ALICE, CUSTOMER, ROOT, Caller, Case, ask, passed, refused
from tests.hostile.records import STORED

TENANT, LOW = "x-tenant: acme", "x-risk: low"
LEO, CLEO, GUS = (
    Caller(user, role, None, "api_key") for user, role in (("leo", "lead"), ("cleo", "clerk"), ("gus", "guest"))
)
LEAD, CLERK, GUEST = (f"x-api-key: {STORED[name][0]}" for name in ("lead", "clerk", "guest"))
UNA = f"x-api-key: {STORED['of a role in capitals'][0]}"
TOKEN = f"authorization: {bearer()}"
OF_TOKEN = Caller("alice", "agent", None, "jwt")

NOT_THE_TENANT = {
    "missing": (),
    "empty": ("x-tenant:",),
    "another": ("x-tenant: other",),
    "in capitals": ("x-tenant: ACME",),
    "twice": (TENANT, TENANT),
    "twice, the other first": ("x-tenant: other", TENANT),
    "twice, once empty": (TENANT, "x-tenant:"),
    "in a list": ("x-tenant: acme,acme",),
    "with a comma behind": ("x-tenant: acme,",),
    "quoted": ('x-tenant: "acme"',),
    "escaped": ("x-tenant: %61cme",),
    "with obs-text": ("x-tenant: acme\x80",),
    "in UTF-8": ("x-tenant: acm\xc3\xa9",),
    "full width": ("x-tenant: \xef\xbd\x81cme",),
    "with an exclamation mark": ("x-tenant: acme!",),
    "with a tab within": ("x-tenant: ac\tme",),
    "long": (f"x-tenant: {'acme' * 2000}",),
    "with an underscore for the dash, beside": ("x-tenant2: acme",),
    "named in Connection": (TENANT, "connection: x-tenant"),
}
NOT_THE_OWNER = (
    "",
    "?",
    "?owner",
    "?owner=",
    "?owner=ALICE",
    "?OWNER=alice",
    "?owner=alice&owner=alice",
    "?owner=bob&owner=alice",
    "?owner=alice&%6fwner=bob",
    "?owner=alice;x=1",
    "?x=1;owner=alice",
    "?owner=alice%00",
    "?owner=alice%0a",
    "?owner=alice+",
    "?owner=%2561lice",
    "?owner=alice%",
    "?owner=alice%ff",
    "?owner[]=alice",
    "?owner.x=alice",
    "?owner=alice,alice",
    '?owner="alice"',
    "?" + "a&" * 101 + "owner=alice",
)
THE_OWNER = ("?owner=alice", "?owner=%61lice", "?%6fwner=alice", "?a=1&owner=alice&b=2", "?&&owner=alice")
LOCKED = (
    "/risky/locked/7",
    "/risky/locked/7/",
    "/risky/locked/7?x",
    "/risky//locked///7",
    "/risky/./locked/x/../7",
    "/risky/lock%65d/7",
    "/risky/%6c%6F%63%6b%65%64/%37",
    "/risky/%2e/locked/7",
    "/risky/LOCKED/7",
    "/risky/%4cocked/7/",
    "/open/../risky/locked/7",
)
UNREADABLE = ("/risky/locked;x/7", "/risky/locked/7;x")
RISKY = {
    "high": ("x-risk: high",),
    "missing": (),
    "low and high": (LOW, "x-risk: high"),
    "high and low": ("x-risk: high", LOW),
    "in a list": ("x-risk: low,high",),
    "low, twice": (LOW, LOW),
    "with obs-text": ("x-risk: high\xa0",),
    "low with obs-text": ("x-risk: low\x80",),
    "with an exclamation mark": ("x-risk: high!",),
    "named in Connection": ("x-risk: high", "connection: x-risk"),
}
FORCED = (
    "?force=yes",
    "?force",
    "?force=",
    "?f%6frce=yes",
    "?force=no&force=yes",
    "?force=yes&force=no",
    "?force=no&force=no",
    "?force=no;force=yes",
    "?force=no&a=%zz",
    "?force=no&+force=yes",
    "?force=no%00",
    "?force=no+",
    "?force=NO",
    "?force=%C0%AE",
    "?" + "a&" * 101,
)
NOT_FORCED = ("", "?force=no", "?f%6frce=n%6f", "?forced=yes", "?a=force=yes")

CASES: list[Case] = [
    passed("the caller's tenant", ask("/tenant", AGENT, TENANT), "/tenant", ALICE),
    passed("the caller's tenant, outer blanks", ask("/tenant", AGENT, "X-Tenant: \t acme "), "/tenant", ALICE),
    *(
        refused(f"a tenant {name}", ask("/tenant", AGENT, *lines), 403, "access-denied")
        for name, lines in NOT_THE_TENANT.items()
    ),
    refused("a tenant for who has none", ask("/tenant", ADMIN, "x-tenant:"), 403, "access-denied"),
    refused("a tenant for nobody", ask("/tenant", TENANT), 401, "credential-missing"),
    *(passed(f"owner: {query}", ask(f"/owned{query}", AGENT), f"/owned{query}", ALICE) for query in THE_OWNER),
    *(
        refused(f"no owner: {query[:30]}", ask(f"/owned{query}", AGENT), 403, "access-denied")
        for query in NOT_THE_OWNER
    ),
    *(
        passed(f"not denied: {query}", ask(f"/risky/x{query}", AGENT, LOW), f"/risky/x{query}", ALICE)
        for query in NOT_FORCED
    ),
    passed("admins are denied nothing there", ask("/risky/x", ADMIN, LOW), "/risky/x", ROOT),
    *(
        passed(f"not the denied path: {path}", ask(path, AGENT, LOW), path, ALICE)
        for path in ("/risky/locked", "/risky/locked/7/8", "/risky/%256cocked/7")
    ),
    *(
        refused(f"denied by query: {query[:30]}", ask(f"/risky/x{query}", AGENT, LOW), 403, "access-denied")
        for query in FORCED
    ),
    *(
        refused(f"denied by header: {name}", ask("/risky/x", AGENT, *lines), 403, "access-denied")
        for name, lines in RISKY.items()
    ),
    *(refused(f"denied: {path}", ask(path, AGENT, LOW), 403, "access-denied") for path in LOCKED),
    *(refused(f"unreadable: {path}", ask(path, AGENT, LOW), 400, "path-not-canonical") for path in UNREADABLE),
    refused("a denied path with a backslash", ask("/risky/locked%5c7", AGENT, LOW), 400, "bad-request"),
    refused("obs-text in a query", ask("/owned?owner=al\xefce", AGENT), 400, "bad-request"),
    refused("a denied method", ask("/risky/x", AGENT, LOW, "content-length: 0", method="POST"), 403, "access-denied"),
    refused("a denied role", ask("/risky/x", CUSTOMER, LOW), 403, "access-denied"),
    passed("a role inherited twice", ask("/guests", LEAD), "/guests", LEO),
    passed("a role inherited", ask("/clerks", LEAD), "/clerks", LEO),
    passed("a role of one's own", ask("/clerks", CLERK), "/clerks", CLEO),
    passed("who has not the role that is denied", ask("/no-clerks", GUEST), "/no-clerks", GUS),
    refused("inheritance goes one way", ask("/leads", CLERK), 403, "access-denied"),
    refused("inheritance goes one way, from the bottom", ask("/clerks", GUEST), 403, "access-denied"),
    refused("a denied role, inherited", ask("/no-clerks", LEAD), 403, "access-denied"),
    refused("a denied role, though it inherits the granted one", ask("/no-clerks", CLERK), 403, "access-denied"),
    refused("a role in capitals", ask("/leads", UNA), 403, "access-denied"),
    refused("an admin inherits nothing by its name", ask("/guests", ADMIN), 403, "access-denied"),
    *(
        refused(f"roles in {line}", ask("/leads", CLERK, line), 403, "access-denied")
        for line in ("role: clerk,lead", "x-gate-roles: lead", "roles: lead", "x-roles: lead")
    ),
    *(
        refused(
            f"a token with roles {roles!r}",
            ask("/leads", f"authorization: {bearer(claims(roles=roles))}"),
            403,
            "access-denied",
        )
        for roles in ([], ["Lead"], ["clerk", "guest"], "clerk leads", ["superlead", "lead.x"])
    ),
    refused("a rule that is not enforced grants nothing", ask("/shadowed", AGENT), 403, "access-denied"),
    passed("a rule that is not enforced denies nothing", ask("/shadowed", ADMIN), "/shadowed", ROOT),
    passed("a key where keys are taken", ask("/keyed", AGENT), "/keyed", ALICE),
    refused("a token where keys are taken", ask("/keyed", TOKEN), 401, "credential-not-accepted"),
    refused("both where one is taken", ask("/keyed", AGENT, TOKEN), 401, "credential-not-accepted"),
    refused("nobody where keys are taken", ask("/keyed"), 401, "credential-missing"),
    refused("a key on a public route for tokens", ask("/tokens", AGENT), 401, "credential-not-accepted"),
    refused("a bad key on a public route for tokens", ask("/tokens", "x-api-key: bad"), 401, "credential-not-accepted"),
    passed("a token on a public route for tokens", ask("/tokens", TOKEN), "/tokens", OF_TOKEN),
    passed("key and token where both are demanded", ask("/both", AGENT, TOKEN), "/both", ALICE),
    refused("a key alone where both are demanded", ask("/both", AGENT), 401, "credential-missing"),
    refused("a token alone where both are demanded", ask("/both", TOKEN), 401, "credential-missing"),
    refused("a good key and a bad token", ask("/both", AGENT, f"{TOKEN}x"), 401, "token-signature"),
    refused("a bad key and a good token", ask("/both", "x-api-key: bad", TOKEN), 401, "key-invalid"),
    refused(
        "a revoked key and a good token", ask("/both", f"x-api-key: {STORED['revoked'][0]}", TOKEN), 401, "key-revoked"
    ),
    refused("key, token and a second key", ask("/both?key=x", AGENT, TOKEN), 400, "credential-duplicated"),
    refused("the role is the first one's", ask("/both", CUSTOMER, TOKEN), 403, "access-denied"),
    refused("none where both are demanded", ask("/both"), 401, "credential-missing"),
]
