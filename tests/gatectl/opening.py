"""A gateway in which much can be opened, edits that do it or nearly do, and what is said of them."""

from typing import Any

from tests.gatectl.changing import Edit
from tests.gatectl.test_objects import put

OPEN, CUT = "opens-access", "cuts-connections"
KEY = {"id": "k", "sha256": "0" * 64, "user": "u", "roles": ["a"], "attributes": {"tenant": "t"}}
ISSUER = {
    "name": "staff",
    "issuer": "https://id.example",
    "audiences": ["api"],
    "jwks": {"url": "https://id.example/jwks"},
    "claims": {"user": "sub", "roles": "roles", "attributes": {"tenant": "org"}},
}
DENY_RULE = {
    "effect": "deny",
    "methods": ["PUT", "DELETE"],
    "path_template": "/denied/{id}",
    "where": "user.tenant != query.tenant",
}
GENTLE = {"target_latency": "200ms", "max_in_flight": 10}
SPEC: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "listener": {"address": "127.0.0.1", "trusted_proxies": 1},
    "authentication": {"api_keys": {"static": [KEY]}, "jwt": [ISSUER]},
    "abuse": {"requests_per_address": "10/second"},
    "upstreams": {name: {"endpoints": ["127.0.0.1:1"]} for name in ("u", "v")},
    "routes": [
        {
            "name": "admin",
            "match": {"path_prefix": "/shop/admin"},
            "upstream": "u",
            "access": [{"methods": ["GET", "POST"], "roles": ["admin"]}],
        },
        {
            "name": "own",
            "match": {"path_template": "/t/{tenant}/u/{user}"},
            "upstream": "u",
            "access": [{"roles": ["a"], "where": "path.tenant == user.tenant"}],
            "authentication": {"all": ["api_key"]},
        },
        {"name": "orders", "match": {"path_prefix": "/orders"}, "upstream": "v", "access": "authenticated"},
        {
            "name": "denied",
            "match": {"path_prefix": "/denied"},
            "upstream": "u",
            "access": [{"roles": ["a"]}, DENY_RULE],
            "authentication": {"any": ["api_key"]},
        },
        {
            "name": "pages",
            "match": {"path_prefix": "/shop", "methods": ["GET"]},
            "upstream": "u",
            "access": "public",
            "cors": {"allow_origins": ["https://a.example"], "allow_methods": ["GET"]},
        },
    ],
    "rate_limits": [
        {"name": "each", "per": ["user"], "limit": "100/minute", "when": {"plan": ["free", "trial"]}},
        {"name": "few", "per": ["user"], "limit": "10/minute", "routes": ["admin", "orders"]},
        {"name": "gentle", "per": ["user"], "limit": "10/second", "adaptive": GENTLE},
        {
            "name": "rich",
            "per": ["user"],
            "limit": ["100/minute burst 20", "900/hour"],
            "plans": {"pro": "200/minute burst 30"},
            "algorithm": "token_bucket",
            "exempt": {"role": ["admin"]},
            "count_refused": True,
            "routes": ["orders"],
        },
        {
            "name": "charged",
            "per": ["user"],
            "limit": "100/minute",
            "response_cost": {"status": {"4xx": 3, "401": 5}, "size": "1KiB"},
            "routes": ["orders"],
        },
        {"name": "at-once", "per": ["user"], "limit": "5 at once", "algorithm": "concurrency", "routes": ["orders"]},
    ],
    "rate_limiting": {"when_redis_is_away": "deny"},
}
ABUSE = SPEC["abuse"]
ADMIN, OWN, ORDERS, DENIED, PAGES = range(5)
LISTENER = f"{CUT} listener: Envoy drains the old listener and closes its open connections"
TAKEN = "another route, which lets in others, takes requests that were its own"
RULES = "a rule grants what none granted before"
DENIAL = "what a rule denied before is not denied any more"
MEANS = "it takes other ways to prove who is calling, or fewer of them together"
NEW_PUBLIC = "it is public: everybody gets in without a credential"
OTHER_REQUESTS = "it is public, and takes other requests than before"


def move(index: int, to: int) -> Edit:
    return lambda spec: spec["routes"].insert(to, spec["routes"].pop(index))


def add(at: int, match: dict[str, Any], access: Any, **fields: Any) -> Edit:
    return lambda spec: spec["routes"].insert(
        at, {"name": "new", "match": match, "upstream": "u", "access": access, **fields}
    )


def all_of(*edits: Edit) -> Edit:
    def edit(spec: dict[str, Any]) -> None:
        for one in edits:
            one(spec)

    return edit


def rule(index: int, *rules: dict[str, Any]) -> Edit:
    return put("routes", index, "access", list(rules))


def key(**fields: Any) -> Edit:
    return put("authentication", "api_keys", "static", [{**KEY, **fields}])


def issuer(**fields: Any) -> Edit:
    return put("authentication", "jwt", [{**ISSUER, **fields}])


def limit(index: int, **fields: Any) -> Edit:
    return lambda spec: spec["rate_limits"][index].update(fields)


def gone(section: str, key: Any) -> Edit:
    return lambda spec: spec[section].pop(key)


def opens(what: str, message: str) -> list[str]:
    return [f"{OPEN} {what}: {message}"]


ADMIN_RULE = {"methods": ["GET", "POST"], "roles": ["admin"]}
OWN_RULE = {"roles": ["a"], "where": "path.tenant == user.tenant"}
FIRMER = opens('rate limit "gentle"', "it gives way less, or later, while what is behind it is in trouble")
MORE_FOR_A_PLAN = "it admits more than before for a plan"
CHEAPER = "a request counts for less on a route"
MORE = "it admits more than before, at once or over time"
MORE_REQUESTS = opens("abuse", "an address may send more than before, at once or over time")
MORE_GUESSES = opens("abuse", "more failures to authenticate are borne, or from more addresses")
CORS = "browsers on more sites may call it, or may do more (CORS)"
