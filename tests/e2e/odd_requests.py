"""Requests of all sorts, and who sends them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.request import Request
from tests.e2e.conftest import STATIC_KEY, Gateway

METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PURGE", "get"]
PLACES = [
    "/api",
    "/api/x",
    "/debug/echo/customers/carol",
    "/debug/echo/customers/dave",
    "/debug/echo/customers/c%61rol",
    "/debug/echo/customers/a%2Fb",
    "/debug/echo/customers/%ff",
    "/debug/echo/tenants/acme/x",
    "/debug/echo/tenants/other/x",
    *["/debug/echo/v"] * 4,
    "/debug/echo/any",
    "/debug/echo/shared/y",
    "/debug/echo/closed",
    "/debug/echo/open/z",
    "/nowhere",
    "/",
]
ODDITIES = [
    "",
    "",
    "",
    "",
    "?q=1&q=2",
    "/",
    "//",
    "/..",
    "/../open",
    "/.",
    ";x=1",
    "%2e%2e/",
    "%zz",
    "%00",
    "x",
    "\\y",
    "#f",
]
HOSTS = ["localhost", "localhost", "a.example", "A.Example:99", "b.wild.example", "wild.example", "127.0.0.1:1"]
HEADERS = [
    *[("x-version", "2"), ("x-beta", "anything"), ("x-client", "ios/17")] * 3,
    ("x-version", "3"),
    ("x-client", "android/3"),
    ("x-unwanted", "thing"),
    ("x-added", "by the client"),
    ("x-gate-user", "root"),
    ("x-envoy-original-path", "/admin"),
    ("x-forwarded-for", "198.51.100.9"),
    ("x-forwarded-host", "evil.example"),
    ("origin", "https://app.example.com"),
    ("origin", "https://evil.example.com"),
    ("access-control-request-method", "GET"),
    ("with_underscore", "1"),
    ("upgrade", "websocket"),
    ("te", "trailers"),
]
PREFLIGHT = (("origin", "https://app.example.com"), ("access-control-request-method", "GET"))


@dataclass(frozen=True)
class Someone:
    """Somebody who calls: what the gateway gets of them, and who the rehearsal takes them for."""

    headers: tuple[tuple[str, str], ...] = ()
    caller: Caller | None = None


def everybody(gateway: Gateway) -> list[Someone]:
    keys = [
        Caller(user="alice", roles=("agent",)),
        Caller(user="root", roles=("admin",)),
        Caller(user="carol", roles=("customer",)),
        Caller(user="bob", roles=("customer",), plan="pro", attributes={"tenant": "acme"}),
    ]
    known = [Someone((("x-api-key", gateway.keys[str(caller.user)]),), caller) for caller in keys]
    staff = gateway.token(
        "carol", "--issuer", "staff", "--role", "customer", "--plan", "pro", "--attribute", "tenant=acme"
    )
    partner = gateway.token("pat", "--issuer", "partner", "--role", "agent")
    claims = {"iss": "https://partner.rehearsed.example", "sub": "pat", "realm": {"roles": ["agent"]}}
    token = staff["authorization"]
    as_they_are = [
        (("x-api-key", STATIC_KEY),),
        (("x-api-key", STATIC_KEY + "x"),),
        (("x-api-key", "nonsense"),),
        (("x-api-key", STATIC_KEY), ("x-api-key", STATIC_KEY)),
        (("x-api-key", STATIC_KEY), ("authorization", token)),
        (("authorization", token),),
        (("authorization", token[:-9] + "AAAAAAAAA"),),
        (("authorization", token + ".x"),),
        (("authorization", "Basic YTpi"),),
    ]
    signed = Someone((("authorization", partner["authorization"]),), Caller(jwt=claims))
    return [Someone(), Someone(), *known, *known, signed, *(Someone(headers) for headers in as_they_are)]


def requests(chance: random.Random, people: list[Someone], count: int) -> Iterator[tuple[Request, Someone]]:
    """Any of everything, with a leaning to what is usual: a request that is odd in all respects shows little."""
    for _ in range(count):
        path = chance.choice(PLACES) + (chance.choice(ODDITIES) if chance.random() < 0.4 else "")
        headers = tuple(chance.sample(HEADERS, chance.choice([0, 0, 0, 1, 1, 2, 4])))
        size = chance.choice([1, 5000, 9000]) if chance.random() < 0.05 else 0
        method = chance.choice(METHODS) if chance.random() < 0.6 else "GET"
        if chance.random() < 0.05:
            method, headers = "OPTIONS", (*headers, *PREFLIGHT)
        yield Request(method, path, headers, chance.choice(HOSTS), "127.0.0.1", size), chance.choice(people)
