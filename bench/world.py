"""What checks are measured on: a policy of 1000 routes, 100,000 keys, tokens, and the requests that carry them."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import redis
from envoy.service.auth.v3 import external_auth_pb2

from bench.report import KNOWN_KEY, KNOWN_TOKEN
from ext_authz import api_key, policy
from gatectl.compiler import compile_spec
from gatectl.runtime import issuers
from gatectl.spec.model import Spec

ROUTES = 1_000
KEYS = 100_000
KNOWN = 200
"""Different keys and tokens that come again and again."""
STRANGERS = 4
"""The part of all keys that come once each, one in so many: more than all rounds together take."""
NEW_TOKENS = 200
"""Tokens of one round that nobody has seen before."""
GATEWAY = "bench"
REVISION = "bench"
CHUNK = 10_000


@dataclass(frozen=True)
class Kind:
    """One kind of check: endless requests, serialized, and whether they are let in. ``calls``: fewer than usual."""

    name: str
    """One of :mod:`bench.report`'s names where a figure of it is compared."""
    requests: Callable[[], Iterator[bytes]]
    allowed: bool = True
    calls: int | None = None


@dataclass(frozen=True)
class World:
    """What there is to measure."""

    kinds: tuple[Kind, ...]


def build(directory: Path, redis_url: str, keys: int) -> World:
    """Write the policy below ``directory`` and the keys into Redis."""
    static, static_parsed = api_key.mint()
    spec = Spec.model_validate(_spec(static_parsed.sha256))
    issuer = spec.authentication.jwt[0]
    signer = issuers.generate(issuer)
    (directory / "issuer.json").write_bytes(issuers.public_jwks(issuer, signer))
    current = directory / "current"
    current.mkdir()
    compiled = compile_spec(spec).authz.model_copy(update={"revision": REVISION})
    (current / "authz.json").write_text(compiled.model_dump_json())

    known, strangers = _store_keys(redis_url, keys)

    def token(number: int) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": issuer.issuer,
            "aud": "bench",
            "iat": now,
            "exp": now + 900,
            "jti": str(number),
        }
        issuers.place_identity(claims, issuer, f"user-{number % KNOWN}", ("agent",), None, {})
        return f"Bearer {issuers.sign(claims, issuer, signer)}"

    tokens = [token(number) for number in range(KNOWN)]
    fresh = iter(range(KNOWN, 1 << 30))
    one_by_one = iter(strangers)
    unknown = (api_key.mint()[0] for _ in iter(int, 1))
    return World(
        (
            Kind("public route, no credential", lambda: _requests(cycle([{}]), "open")),
            Kind("API key of the policy", lambda: _requests(cycle([{"x-api-key": static}]))),
            Kind(KNOWN_KEY, lambda: _requests({"x-api-key": key} for key in cycle(known))),
            Kind("API key, asked of Redis", lambda: _requests({"x-api-key": key} for key in one_by_one)),
            Kind(KNOWN_TOKEN, lambda: _requests({"authorization": one} for one in cycle(tokens))),
            Kind(
                "token, new (ES256)",
                lambda: _requests({"authorization": token(number)} for number in fresh),
                calls=NEW_TOKENS,
            ),
            Kind("API key, unknown", lambda: _requests({"x-api-key": key} for key in unknown), allowed=False),
        )
    )


def _spec(static_sha256: str) -> dict[str, Any]:
    rules = ({"methods": ("GET",), "roles": ("admin",)}, {"methods": ("GET",), "roles": ("agent",)})
    return {
        "version": 1,
        "name": GATEWAY,
        "authentication": {
            "api_keys": {"static": ({"id": "s", "sha256": static_sha256, "user": "static", "roles": ("agent",)},)},
            "jwt": (
                {
                    "name": "bench",
                    "issuer": "https://bench.example",
                    "audiences": ("bench",),
                    "jwks": {"file": "issuer.json"},
                },
            ),
        },
        "abuse": {"exempt": ("192.0.2.0/24",)},  # unknown keys are looked into, however many
        "upstreams": {"backend": {"endpoints": ("127.0.0.1:9001",)}},
        "routes": (
            *(
                {
                    "name": f"route-{number}",
                    "match": {"path_template": f"/r{number}/{{id}}"},
                    "upstream": "backend",
                    "access": rules,
                }
                for number in range(ROUTES - 1)
            ),
            {"name": "open", "match": {"path_prefix": "/open"}, "upstream": "backend", "access": "public"},
        ),
    }


def _store_keys(redis_url: str, count: int) -> tuple[list[str], list[str]]:
    """So many records; those whose keys are needed are real, the rest have ids and digests only."""
    minted = [api_key.mint() for _ in range(KNOWN + count // STRANGERS)]
    now = datetime.now(UTC)
    records = {
        parsed.id: api_key.KeyRecord(
            id=parsed.id, hash=api_key.Peppers().seal(key), user=f"user-{number}", roles=("agent",), created_at=now
        ).model_dump_json()
        for number, (key, parsed) in enumerate(minted)
    }
    sample = json.loads(next(iter(records.values())))
    for number in range(count - len(records)):
        records[f"{number:012}"] = json.dumps({**sample, "id": f"{number:012}"})
    with redis.Redis.from_url(redis_url) as client:
        entries = list(records.items())
        for start in range(0, len(entries), CHUNK):
            client.hset(api_key.redis_key(GATEWAY), mapping=dict(entries[start : start + CHUNK]))
    made = [key for key, _ in minted]
    return made[:KNOWN], made[KNOWN:]


def _requests(headers: Iterator[dict[str, str]], route: str | None = None) -> Iterator[bytes]:
    """CheckRequests as Envoy sends them, spread over the routes."""
    for number, own in enumerate(headers):
        at = f"route-{number * 7 % (ROUTES - 1)}"
        path = "/open/1" if route is not None else f"/r{at.removeprefix('route-')}/{number}?page=2"
        message = external_auth_pb2.CheckRequest()
        attributes = message.attributes
        attributes.source.address.socket_address.address = "192.0.2.7"
        attributes.request.http.method, attributes.request.http.path = "GET", path
        attributes.request.http.headers.update({"x-request-id": f"r-{number}", **own})
        attributes.context_extensions.update({policy.ROUTE_KEY: route or at, policy.REVISION_KEY: REVISION})
        yield message.SerializeToString()
