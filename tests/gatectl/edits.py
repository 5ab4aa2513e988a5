"""Edits of a spec: those that are told, each with its warnings, and those that are not."""

from tests.gatectl.changing import Edit
from tests.gatectl.opening import (
    ABUSE,
    ADMIN,
    ADMIN_RULE,
    CHEAPER,
    CORS,
    CUT,
    DENIAL,
    DENIED,
    DENY_RULE,
    FIRMER,
    GENTLE,
    ISSUER,
    KEY,
    LISTENER,
    MEANS,
    MORE,
    MORE_FOR_A_PLAN,
    MORE_GUESSES,
    MORE_REQUESTS,
    NEW_PUBLIC,
    ORDERS,
    OTHER_REQUESTS,
    OWN,
    OWN_RULE,
    PAGES,
    RULES,
    TAKEN,
    add,
    all_of,
    gone,
    issuer,
    key,
    limit,
    move,
    opens,
    rule,
)
from tests.gatectl.test_objects import put

COOKIE = "keys come in a cookie: browsers send it by themselves, for whatever site asks them to"
TOLD: dict[str, tuple[Edit, list[str]]] = {
    "public": (put("routes", ADMIN, "access", "public"), opens('route "admin"', NEW_PUBLIC)),
    "public, new": (add(4, {"path": "/new"}, "public"), opens('route "new"', NEW_PUBLIC)),
    "public, more paths": (
        put("routes", PAGES, "match", {"path_prefix": "/", "methods": ["GET"]}),
        opens('route "pages"', OTHER_REQUESTS),
    ),
    "public, more methods": (
        put("routes", PAGES, "match", "methods", ["GET", "PUT"]),
        opens('route "pages"', OTHER_REQUESTS),
    ),
    "public, elsewhere": (
        put("routes", PAGES, "upstream", "v"),
        opens('route "pages"', "it is public, and leads elsewhere than before"),
    ),
    "public, rewritten": (
        put("routes", PAGES, "rewrite_prefix", "/internal"),
        opens('route "pages"', "it is public, and leads elsewhere than before"),
    ),
    "more roles": (
        rule(ADMIN, {"methods": ["GET"], "roles": ["admin", "staff"]}),
        opens('route "admin"', RULES),
    ),
    "more methods": (rule(ADMIN, {"methods": ["DELETE"], "roles": ["admin"]}), opens('route "admin"', RULES)),
    "any method": (rule(ADMIN, {"roles": ["admin"]}), opens('route "admin"', RULES)),
    "any role": (put("routes", ADMIN, "access", "authenticated"), opens('route "admin"', RULES)),
    "another rule": (rule(ADMIN, ADMIN_RULE, {"roles": ["x"]}), opens('route "admin"', RULES)),
    "a condition less": (rule(OWN, {"roles": ["a"]}), opens('route "own"', RULES)),
    "another condition": (rule(OWN, {"roles": ["a"], "where": "path.user == user.id"}), opens('route "own"', RULES)),
    "variables swapped": (
        put("routes", OWN, "match", {"path_template": "/t/{user}/u/{tenant}"}),
        opens('route "own"', "its conditions look at other parts of the path"),
    ),
    "a denial goes": (
        rule(DENIED, {"roles": ["a"]}),
        opens('route "denied"', DENIAL),
    ),
    "a denial in shadow": (
        rule(DENIED, {"roles": ["a"]}, {**DENY_RULE, "enforce": False}),
        opens('route "denied"', DENIAL),
    ),
    "a denial with one more condition": (
        rule(DENIED, {"roles": ["a"]}, {**DENY_RULE, "where": f"{DENY_RULE['where']} and has(query.x)"}),
        opens('route "denied"', DENIAL),
    ),
    "a denial of another part of the path": (
        rule(DENIED, {"roles": ["a"]}, {**DENY_RULE, "path_template": "/denied/{id}/x"}),
        opens('route "denied"', DENIAL),
    ),
    "a denial of fewer methods": (
        rule(DENIED, {"roles": ["a"]}, {**DENY_RULE, "methods": ["PUT"]}),
        opens('route "denied"', DENIAL),
    ),
    "a condition that is another": (
        rule(OWN, {"roles": ["a"], "where": "path.tenant != user.tenant"}),
        opens('route "own"', RULES),
    ),
    "a role that inherits": (
        put("roles", {"admin": {}, "chief": {"inherits": ["admin"]}, "a": {}}),
        opens('route "admin"', RULES),
    ),
    "other credentials": (
        put("routes", DENIED, "authentication", {"any": ["api_key", "jwt"]}),
        opens('route "denied"', MEANS),
    ),
    "any of two credentials": (
        put("routes", OWN, "authentication", {"any": ["api_key", "jwt"]}),
        opens('route "own"', MEANS),
    ),
    "another caller of the two": (
        put("routes", OWN, "authentication", {"all": ["jwt", "api_key"]}),
        opens('route "own"', MEANS),
    ),
    "any credential": (lambda spec: spec["routes"][DENIED].pop("authentication"), opens('route "denied"', MEANS)),
    "a public route behind it takes over": (
        all_of(gone("routes", ADMIN), limit(1, routes=["orders"])),
        opens('route "admin"', TAKEN),
    ),
    "a public route moved ahead": (move(PAGES, 0), opens('route "admin"', TAKEN)),
    "it matches less, a public route the rest": (
        put("routes", ADMIN, "match", {"path_prefix": "/shop/admin/users"}),
        opens('route "admin"', TAKEN),
    ),
    "a looser route ahead": (add(0, {"path": "/shop/admin/x"}, [{"roles": ["x"]}]), opens('route "admin"', TAKEN)),
    "a template ahead": (add(0, {"path_template": "/shop/{any}"}, "authenticated"), opens('route "admin"', TAKEN)),
    "audiences": (issuer(audiences=["api", "x"]), opens('issuer "staff"', "more audiences are accepted")),
    "algorithms": (
        issuer(algorithms=["RS256", "PS512"]),
        opens('issuer "staff"', "more algorithms are accepted"),
    ),
    "another issuer": (
        issuer(issuer="https://x.example"),
        opens('issuer "staff"', "tokens of another issuer are trusted"),
    ),
    "keys from elsewhere": (
        issuer(jwks={"url": "https://x.example/"}),
        opens('issuer "staff"', "its keys come from another place"),
    ),
    "another claim": (
        issuer(claims={"user": "sub", "roles": "groups", "attributes": {"tenant": "org"}}),
        opens('issuer "staff"', "its claims are read otherwise: who is who, and with which roles"),
    ),
    "a claim that is mapped": (
        issuer(claims={**ISSUER["claims"], "map": [{"claim": "x", "equals": "y", "roles": ["admin"]}]}),
        opens('issuer "staff"', "its claims are read otherwise: who is who, and with which roles"),
    ),
    "a longer lifetime": (
        issuer(max_lifetime="25h"),
        opens('issuer "staff"', "tokens that live for longer are accepted, also ones that were revoked long ago"),
    ),
    "keys of long ago": (
        issuer(jwks={**ISSUER["jwks"], "max_stale": "25h"}),
        opens('issuer "staff"', "keys that cannot be renewed are trusted for longer"),
    ),
    "an old denylist": (
        put("authentication", "token_revocation", {"stale": "6m"}),
        opens("authentication", "a revoked token goes on for longer while Redis is away"),
    ),
    "leeway": (
        issuer(leeway="5m"),
        opens('issuer "staff"', "tokens are accepted for longer after they have expired"),
    ),
    "credentials": (
        put("authentication", "forward_credentials", True),
        opens("authentication", "upstreams get the credentials of callers"),
    ),
    "stale": (
        put("authentication", "api_keys", "stale", "1h"),
        opens("api keys", "a revoked key goes on for longer while Redis is away"),
    ),
    "a cookie": (
        put("authentication", "api_keys", {"header": "X-API-Key", "cookie": "key", "static": [KEY]}),
        [LISTENER, *opens("api keys", COOKIE)],
    ),
    "a key more": (
        put("authentication", "api_keys", "static", [KEY, {**KEY, "id": "l", "sha256": "1" * 64}]),
        opens('static key "l"', "its holder gets in"),
    ),
    "another key": (key(sha256="1" * 64), opens('static key "k"', "the holder of another key gets in")),
    "a key's roles": (key(roles=["a", "admin"]), opens('static key "k"', "its holder gets more roles")),
    "a key's user": (key(user="x"), opens('static key "k"', "its holder becomes somebody else")),
    "a key's tenant": (
        key(attributes={"tenant": "x"}),
        opens('static key "k"', "its holder becomes somebody else"),
    ),
    "no limit": (gone("rate_limits", 0), opens('rate limit "each"', "it goes")),
    "a higher limit": (limit(0, limit="101/minute"), opens('rate limit "each"', MORE)),
    "one of several rates": (limit(3, limit=["100/minute burst 20", "901/hour"]), opens('rate limit "rich"', MORE)),
    "one rate less": (limit(3, limit="100/minute burst 20"), opens('rate limit "rich"', MORE)),
    "a burst": (limit(3, limit=["100/minute burst 21", "900/hour"]), opens('rate limit "rich"', MORE)),
    "the burst that is usual": (limit(3, limit=["100/minute", "900/hour"]), opens('rate limit "rich"', MORE)),
    "no limit at all": (limit(3, limit="unlimited"), opens('rate limit "rich"', MORE)),
    "a plan raised": (limit(3, plans={"pro": "201/minute burst 30"}), opens('rate limit "rich"', MORE_FOR_A_PLAN)),
    "a plan more": (
        limit(3, plans={"pro": "200/minute burst 30", "max": "unlimited"}),
        opens('rate limit "rich"', MORE_FOR_A_PLAN),
    ),
    "an exempt role": (
        limit(3, exempt={"role": ["admin", "staff"]}),
        opens('rate limit "rich"', "it exempts more callers"),
    ),
    "exempt by something else": (
        limit(3, exempt={"role": ["admin"], "client_address": ["10.0.0.0/8"]}),
        opens('rate limit "rich"', "it exempts more callers"),
    ),
    "not enforced": (limit(3, enforce=False), opens('rate limit "rich"', "it counts, and refuses nobody any more")),
    "refused and not counted": (
        limit(3, count_refused=False),
        opens('rate limit "rich"', "requests that are refused do not count any more"),
    ),
    "another way to count": (
        limit(1, algorithm="token_bucket"),
        opens('rate limit "few"', "it counts in another way, and starts from zero"),
    ),
    "a cheaper status": (
        limit(4, response_cost={"status": {"4xx": 3}, "size": "1KiB"}),
        opens('rate limit "charged"', "responses cost less in it, or requests nothing"),
    ),
    "a larger size": (
        limit(4, response_cost={"status": {"4xx": 3, "401": 5}, "size": "2KiB"}),
        opens('rate limit "charged"', "responses cost less in it, or requests nothing"),
    ),
    "one more at once": (limit(5, limit="6 at once"), opens('rate limit "at-once"', MORE)),
    "a shorter lease": (limit(5, lease="10s"), opens('rate limit "at-once"', MORE)),
    "a cheaper route": (
        put("routes", 2, "cost", 0),
        [each for name in ("each", "few", "gentle", "rich") for each in opens(f'rate limit "{name}"', CHEAPER)],
    ),
    "a longer prefix": (
        put("rate_limiting", {"when_redis_is_away": "deny", "ipv6_prefix": 65}),
        opens("rate limiting", "addresses that were counted as one caller are several"),
    ),
    "a limit instead of another": (
        limit(3, instead_of=["few"]),
        opens('rate limit "few"', "it leaves out routes where it counted before"),
    ),
    "the same rate, more at once": (limit(0, limit="6000/hour"), opens('rate limit "each"', MORE)),
    "less at once, more over time": (limit(0, limit="10/second"), opens('rate limit "each"', MORE)),
    "fixed windows": (
        limit(0, algorithm="fixed_window"),
        opens('rate limit "each"', "around the edge of a fixed window it admits up to twice as much"),
    ),
    "by something else": (
        limit(0, per=["client_address"]),
        opens('rate limit "each"', "it counts by something else, and starts from zero"),
    ),
    "for others": (
        limit(0, when={"plan": ["free"]}),
        opens('rate limit "each"', "it holds fewer callers"),
    ),
    "a route less": (
        limit(1, routes=["admin"]),
        opens('rate limit "few"', "it leaves out routes where it counted before"),
    ),
    "no route": (limit(1, routes=[]), opens('rate limit "few"', "it leaves out routes where it counted before")),
    "redis away": (
        put("rate_limiting", {}),
        [
            LISTENER,
            *opens("rate limiting", "requests pass with local counters while Redis is away"),
        ],
    ),
    "proxies": (
        put("listener", "trusted_proxies", 2),
        [LISTENER, *opens("listener", "more of X-Forwarded-For is believed: who is a client's address")],
    ),
    "address": (
        put("listener", "address", "0.0.0.0"),
        [LISTENER, *opens("listener", "it can be reached at another address")],
    ),
    "a limit that gives way no more": (lambda spec: spec["rate_limits"][2].pop("adaptive"), FIRMER),
    "a limit that gives way less": (limit(2, adaptive={**GENTLE, "min_percent": 20}), FIRMER),
    "a limit that bears slower answers": (limit(2, adaptive={**GENTLE, "target_latency": "1s"}), FIRMER),
    "a limit that bears more slow answers": (limit(2, adaptive={**GENTLE, "max_slow_percent": 20}), FIRMER),
    "a limit that bears more failures": (limit(2, adaptive={**GENTLE, "max_error_percent": 10}), FIRMER),
    "a limit that bears more at once": (limit(2, adaptive={**GENTLE, "max_in_flight": 20}), FIRMER),
    "a limit that bears any number at once": (limit(2, adaptive={"target_latency": "200ms"}), FIRMER),
    "no limit by address": (
        gone("abuse", "requests_per_address"),
        [LISTENER, *opens("abuse", "no limit holds an address any more")],
    ),
    "more from an address": (put("abuse", {**ABUSE, "requests_per_address": "11/second"}), [LISTENER, *MORE_REQUESTS]),
    "more from an address over time": (
        put("abuse", {**ABUSE, "requests_per_address": "9/500ms"}),
        [LISTENER, *MORE_REQUESTS],
    ),
    "slowed later": (put("abuse", {**ABUSE, "slow_after": 11}), MORE_GUESSES),
    "refused later": (put("abuse", {**ABUSE, "refuse_after": 51}), MORE_GUESSES),
    "sooner forgotten": (put("abuse", {**ABUSE, "window": "59s"}), MORE_GUESSES),
    "sooner again": (put("abuse", {**ABUSE, "block": "1m"}), MORE_GUESSES),
    "exempt": (
        put("abuse", {**ABUSE, "exempt": ["127.0.0.0/8", "::1/128", "10.0.0.0/8"]}),
        [LISTENER, *MORE_GUESSES],
    ),
    "origins": (
        put("routes", PAGES, "cors", "allow_origins", ["https://a.example", "https://b.example"]),
        opens('route "pages"', CORS),
    ),
    "any origin": (put("routes", PAGES, "cors", "allow_origins", ["*"]), opens('route "pages"', CORS)),
    "browsers' methods": (
        put("routes", PAGES, "cors", "allow_methods", ["GET", "PUT"]),
        opens('route "pages"', CORS),
    ),
    "browsers' cookies": (put("routes", PAGES, "cors", "allow_credentials", True), opens('route "pages"', CORS)),
    "cors": (put("routes", ORDERS, "cors", {"allow_origins": ["https://a.example"]}), opens('route "orders"', CORS)),
    "port": (put("listener", "port", 9), [LISTENER]),
    "less from an address": (put("abuse", {**ABUSE, "requests_per_address": "9/second"}), [LISTENER]),
    "nobody exempt": (put("abuse", {**ABUSE, "exempt": []}), [LISTENER]),
    "body": (put("listener", "max_request_body", "2MiB"), [LISTENER]),
    "key header": (put("authentication", "api_keys", "header", "X-K"), [LISTENER]),
    "an upstream less": (
        all_of(put("routes", ORDERS, "upstream", "u"), gone("upstreams", "v")),
        [f'{CUT} cluster "upstream-v": its connections are closed when what is under way has ended'],
    ),
}
NOT_TOLD: dict[str, Edit] = {
    "nothing": lambda _: None,
    "methods in another order": rule(ADMIN, {"methods": ["POST", "GET"], "roles": ["admin"]}),
    "a method less": rule(ADMIN, {"methods": ["GET"], "roles": ["admin"]}),
    "a rule in two": rule(ADMIN, {"methods": ["GET"], "roles": ["admin"]}, {"methods": ["POST"], "roles": ["admin"]}),
    "a part of the path": rule(ORDERS, {"path_template": "/orders/{id}/x"}),
    "a shadow rule": rule(OWN, OWN_RULE, {"enforce": False, "methods": ["GET"]}),
    "a denial more": rule(OWN, OWN_RULE, {"effect": "deny", "methods": ["PUT"]}),
    "a denial of more": rule(DENIED, {"roles": ["a"]}, {**DENY_RULE, "methods": ["PUT", "DELETE", "GET"]}),
    "a denial of every path": rule(
        DENIED, {"roles": ["a"]}, {name: value for name, value in DENY_RULE.items() if name != "path_template"}
    ),
    "a denial with one condition less": rule(
        DENIED, {"roles": ["a"]}, {"effect": "deny", "methods": ["PUT", "DELETE"]}
    ),
    "credentials together": put("routes", DENIED, "authentication", {"all": ["api_key", "jwt"]}),
    "roles that nobody inherits": put("roles", {"admin": {}, "a": {}}),
    "one more condition": rule(OWN, {"roles": ["a"], "where": "path.tenant == user.tenant and path.user == user.id"}),
    "another literal segment": put("routes", OWN, "match", {"path_template": "/tenants/{tenant}/u/{user}"}),
    "no longer public": put("routes", PAGES, "access", [{"roles": ["x"]}]),
    "public, fewer paths": put("routes", PAGES, "match", {"path_prefix": "/shop/open", "methods": ["GET"]}),
    "public, one header more": put("routes", PAGES, "match", "headers", {"x-a": "1"}),
    "public, only for one host": put("routes", PAGES, "match", "hosts", ["a.example"]),
    "a protected route more": add(4, {"path": "/new"}, [{"roles": ["x"]}]),
    "a protected route more, with CORS": add(
        4, {"path": "/new"}, "authenticated", cors={"allow_origins": ["https://a.example"]}
    ),
    "a stricter route ahead": add(0, {"path": "/shop/admin/x"}, [{"methods": ["GET"], "roles": ["admin"]}]),
    "a looser route behind": add(1, {"path_prefix": "/shop/adm"}, "authenticated"),
    "a route that nobody else meets moved": move(OWN, 3),
    "a protected route goes, a stricter one takes over": all_of(
        gone("routes", ADMIN), add(0, {"path_prefix": "/shop/admin"}, [ADMIN_RULE]), limit(1, routes=["orders"])
    ),
    "an upstream's timeout": put("upstreams", "u", "timeout", "1s"),
    "an upstream's endpoints": put("upstreams", "u", "endpoints", ["127.0.0.1:2"]),
    "protected, elsewhere": put("routes", ADMIN, "upstream", "v"),
    "an audience for another": issuer(audiences=["api"], leeway="10s"),
    "keys asked for more often": issuer(jwks={**ISSUER["jwks"], "refresh": "1m", "max_stale": "1h"}),
    "a shorter lifetime": issuer(max_lifetime="1h"),
    "a signed identity": put("authentication", "identity_token", {"audiences": ["u"]}),
    "fewer algorithms": issuer(algorithms=["RS256"]),
    "an issuer's name": issuer(name="other"),
    "an issuer less": put("authentication", "jwt", []),
    "a key less": put("authentication", "api_keys", {}),
    "a key's roles, fewer": key(roles=[]),
    "a smaller burst": limit(3, limit=["100/minute burst 19", "900/hour", "5000/day"]),
    "a dearer response": limit(4, response_cost={"status": {"4xx": 5, "5xx": 1}, "size": "512B"}),
    "a dearer route": put("routes", 2, "cost", 3),
    "fewer at once, for longer": limit(5, limit="4 at once", lease="10m"),
    "a lower limit": limit(0, limit="99/minute"),
    "a limit that is the same in a longer time": limit(0, limit="100/hour"),
    "fewer at once, fewer over time": limit(0, limit="1/second"),
    "a limit that gives way sooner": limit(
        2, adaptive={"target_latency": "100ms", "max_in_flight": 5, "min_percent": 5}
    ),
    "plans in another order": limit(0, when={"plan": ["trial", "free"]}),
    "a route more for a limit": limit(1, routes=["admin", "orders", "pages"]),
    "a limit more": lambda spec: spec["rate_limits"].append({"name": "z", "per": ["user"], "limit": "1/day"}),
    "stricter with failures": put(
        "abuse", {**ABUSE, "slow_after": 1, "refuse_after": 2, "window": "1h", "block": "1h"}
    ),
    "no cors": lambda spec: spec["routes"][PAGES].pop("cors"),
}
