"""API keys in the query and in cookies: two are one too many, and none goes any further."""

from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, bearer
from tests.hostile.cases import AGENT, ALICE, NOBODY, ROOT, SHOP, Case, ask, passed, refused
from tests.hostile.records import ADMIN_KEY

QUERY, COOKIE = f"key={AGENT_KEY}", f"cookie: session={AGENT_KEY}"
TAKEN = {
    # the target that the upstream gets for one with a key in it: the rest, byte for byte
    f"/known?{QUERY}": "/known",
    f"/known?{QUERY}&a=1": "/known?a=1",
    f"/known?a=%2e%2E&{QUERY}&b=+&a": "/known?a=%2e%2E&b=+&a",
}
TWICE = {
    "header and query": (f"/open?{QUERY}", AGENT),
    "header and cookie": ("/open", AGENT, COOKIE),
    "query and cookie": (f"/open?{QUERY}", COOKIE),
    "all three": (f"/open?{QUERY}", AGENT, COOKIE),
    "good in the header, bad in the query": ("/open?key=bad", AGENT),
    "bad in the header, good in the query": (f"/open?{QUERY}", "x-api-key: bad"),
    "another's in the cookie": ("/open", AGENT, f"cookie: session={ADMIN_KEY}"),
    "empty in the query": ("/open?key=", AGENT),
    "a bare name in the query": ("/open?key", AGENT),
    "empty in the cookie": ("/open", AGENT, "cookie: session="),
    "twice in the query": (f"/open?{QUERY}&{QUERY}",),
    "in the query, once escaped": (f"/open?{QUERY}&%6bey=x",),
    "twice in the cookie": ("/open", f"{COOKIE}; session={AGENT_KEY}"),
    "in two cookie lines": ("/open", COOKIE, f"cookie: session={CUSTOMER_KEY}"),
    "in two cookie lines, once empty": ("/open", COOKIE, "cookie: session="),
    "in a cookie after a comma": ("/open", f"{COOKIE},session={ADMIN_KEY}"),
}
WRONG = {
    "empty": ("/open?key=",),
    "a bare name": ("/open?key",),
    "a name with an escape": (f"/open?%6bey={AGENT_KEY}",),
    "a name with an escaped blank": (f"/open?key%20={AGENT_KEY}",),
    "a name with a plus": (f"/open?+key={AGENT_KEY}",),
    "a value with an escape": (f"/open?key={AGENT_KEY.replace('_', '%5f')}",),
    "cut off by an escaped ampersand": (f"/open?key={AGENT_KEY}%26a=1",),
    "with a semicolon behind": (f"/open?{QUERY};a=1",),
    "quoted in a cookie": ("/open", f'cookie: session="{AGENT_KEY}"'),
    "escaped in a cookie": ("/open", f"cookie: session={AGENT_KEY.replace('_', '%5f')}"),
    "a cookie's name with an escape": ("/open", f"cookie: s%65ssion={AGENT_KEY}"),
    "beyond ASCII in a cookie": ("/open", f"{COOKIE}\xff"),
    "long in the query": (f"/open?key=gk_{'a' * 20_000}",),
}
NONE = {
    "in capitals": (f"/known?KEY={AGENT_KEY}",),
    "behind a semicolon": (f"/known?a=1;{QUERY}",),
    "in the path": (f"/known/{QUERY}",),
    "a cookie in capitals": ("/known", f"cookie: SESSION={AGENT_KEY}"),
    "a cookie with a prefix": ("/known", f"cookie: __Host-session={AGENT_KEY}"),
    "set-cookie": ("/known", f"set-cookie: session={AGENT_KEY}"),
    "cookie2": ("/known", f"cookie2: session={AGENT_KEY}"),
    "the cookie that Connection names": ("/known", COOKIE, "connection: cookie"),
}

CASES: list[Case] = [
    *(
        passed(f"taken out of a target, {n}", ask(sent), target, ALICE)
        for n, (sent, target) in enumerate(TAKEN.items())
    ),
    passed("taken out of the query of a public route", ask(f"/open?a&{QUERY}"), "/open?a", ALICE),
    passed("taken out of a cookie", ask("/known", COOKIE), "/known", ALICE),
    passed("a key in Redis, in the query", ask(f"/admin?key={ADMIN_KEY}"), "/admin", ROOT),
    passed("a key in Redis, in a cookie", ask("/admin", f"cookie: a=1; session={ADMIN_KEY}"), "/admin", ROOT),
    passed("a customer's own record", ask(f"/customers/42?key={CUSTOMER_KEY}"), "/customers/42", SHOP),
    *(refused(f"{name}, two keys", ask(*sent), 400, "credential-duplicated") for name, sent in TWICE.items()),
    *(refused(f"{name}, a wrong key", ask(*sent), 401, "key-invalid") for name, sent in WRONG.items()),
    *(refused(f"{name}, no key", ask(*sent), 401, "credential-missing") for name, sent in NONE.items()),
    refused("query and token", ask(f"/open?{QUERY}", f"authorization: {bearer()}"), 400, "credentials-ambiguous"),
    refused("cookie and bad token", ask("/open", COOKIE, "authorization: Bearer x"), 400, "credentials-ambiguous"),
    refused("a token in the query", ask(f"/known?access_token={bearer()[7:]}"), 401, "credential-missing"),
    refused("a key behind a fragment", ask(f"/known#?{QUERY}"), 400, "bad-request"),
    refused("another's right in the query", ask(f"/admin?{QUERY}"), 403, "access-denied"),
    passed("no key in a query of others", ask("/open?keys=1&akey=2&key.x=3"), "/open?keys=1&akey=2&key.x=3", NOBODY),
]
