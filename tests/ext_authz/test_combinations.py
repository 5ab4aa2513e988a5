"""Every credential on every kind of route in every state of Redis: in where an oracle says so, and nowhere else."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from redis.asyncio import Redis

from ext_authz import api_key, keyset, policy
from ext_authz.authenticators import table
from ext_authz.denylists import Denylists
from ext_authz.jwks import FileSource
from ext_authz.keyset import KeySet, connect
from ext_authz.policy import Authentication, Policy, Route, Rule
from ext_authz.revocation import Revocation, redis_key, version_key
from ext_authz.server import Authorization
from ext_authz.throttle import Throttle
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.worlds import AGENT_KEY, KEY_SET, POLICY, PinnedSources, bearer, check_request, claims, request

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"
AGENTS = (Rule(roles=("agent",)),)
ROUTES = {
    "public": Route(public=True),
    "anybody": Route(rules=(Rule(),)),
    "agents": Route(rules=AGENTS),
    "agents but bob": Route(rules=(*AGENTS, Rule(effect="deny", roles=("bob",)))),
    "nobody": Route(),
    "key": Route(rules=AGENTS, authentication=Authentication(methods=("api_key",))),
    "token or certificate": Route(rules=AGENTS, authentication=Authentication(methods=("jwt", "mtls"))),
    "key and token": Route(rules=AGENTS, authentication=Authentication(methods=("api_key", "jwt"), all=True)),
    "token and certificate": Route(rules=AGENTS, authentication=Authentication(methods=("jwt", "mtls"), all=True)),
    "public with key": Route(public=True, authentication=Authentication(methods=("api_key",))),
    "what is not there": Route(rules=AGENTS, authentication=Authentication(methods=("pigeon",))),
}
KEY, _KEY = api_key.mint()
REVOKED_KEY, _REVOKED_KEY = api_key.mint()
STRANGE_KEY, _ = api_key.mint()
LONG_AGO = "2026-01-01T00:00:00Z"
SERVICE, STRANGER = "spiffe://mesh/shop", "spiffe://mesh/other"


class Sent(NamedTuple):
    """A credential, whom it proves, and what becomes of it where Redis is up; ``redis``: whether Redis is asked."""

    text: str
    user: str
    verdict: str = GOOD
    redis: bool = True


def token(user: str, **changes: Any) -> str:
    now = int(time.time())
    return bearer(claims(sub=user, iat=now, exp=now + 600, **changes))


KEYS = {
    "static": Sent(AGENT_KEY, "alice", redis=False),
    "stored": Sent(KEY, "bob"),
    "revoked": Sent(REVOKED_KEY, "carol", BAD),
    "unknown": Sent(STRANGE_KEY, "", BAD),
    "nonsense": Sent("nonsense", "", BAD, redis=False),
}
TOKENS = {
    "good": Sent(token("dora", jti="d"), "dora"),
    "revoked": Sent(token("erik", jti="e"), "erik", BAD),
    "forged": Sent(token("dora", jti="d")[:-12] + "AAAAAAAAAAAA", "", BAD, redis=False),
    "nonsense": Sent("Basic Zm9v", "", BAD, redis=False),
}
CERTIFICATES = {
    "listed": Sent(SERVICE, "shop", redis=False),
    "stranger": Sent(STRANGER, "", BAD, redis=False),
}
RULES = POLICY.model_copy(
    update={
        "routes": ROUTES,
        "certificates": (policy.Certificate(name=SERVICE, user="shop", roles=("agent",)),),
        "throttling": policy.Throttling(slow_after=10_000, refuse_after=10_000, window_ms=60_000, block_ms=60_000),
    }
)


class Book:
    def get(self, _: str) -> Policy:
        return RULES


class Service:
    """One worker's authenticators."""

    def __init__(self, redis: Redis, jwks: Path) -> None:
        self.denylists = Denylists(redis)
        self.denylists.follow([RULES])
        sources: Any = PinnedSources(FileSource(jwks))
        book: Any = Book()
        self._service = Authorization(book, table(KeySet(redis), sources, self.denylists), throttle=Throttle())

    async def ask(self, route: str, sent: dict[str, Sent]) -> external_auth_pb2.CheckResponse:
        texts = {method: one.text for method, one in sent.items()}
        asked = request(route, key=texts.get("api_key"), authorization=texts.get("jwt"))
        message = external_auth_pb2.CheckRequest.FromString(check_request(asked))
        message.attributes.source.principal = texts.get("mtls", "")
        return external_auth_pb2.CheckResponse.FromString(await self._service.check(message.SerializeToString()))


def combinations() -> Iterator[dict[str, Sent]]:
    kinds = [[None, *kind.values()] for kind in (KEYS, TOKENS, CERTIFICATES)]
    for found in itertools.product(*kinds):
        yield {method: one for method, one in zip(("api_key", "jwt", "mtls"), found, strict=True) if one is not None}


def who_passes(route: Route, sent: dict[str, Sent], state: dict[str, str]) -> str | None:
    """Whom the route lets in: a user, ``""`` for anybody, None for nobody. Written apart from the code it judges."""
    wanted = route.authentication.methods if route.authentication is not None else ("api_key", "jwt", "mtls")
    own = [method for method in ("api_key", "jwt") if method in sent]
    if any(method not in wanted for method in own):
        return None
    if route.authentication is not None and route.authentication.all:
        used = list(wanted) if all(method in sent for method in wanted) else None
    else:
        used = own if len(own) <= 1 else None
        used = used or (["mtls"] if used == [] and "mtls" in sent and "mtls" in wanted else used)
    if used is None or any(verdict(method, sent[method], state) != GOOD for method in used):
        return None
    if not used:
        return "" if route.public else None
    user = sent[used[0]].user
    return user if route.public or (route.rules and (user, route) != ("bob", ROUTES["agents but bob"])) else None


def verdict(method: str, sent: Sent, state: dict[str, str]) -> str:
    return state.get(sent.text, state.get(method, sent.verdict)) if sent.redis else sent.verdict


async def fill(redis: Redis) -> None:
    await redis.flushall()
    for parsed, user, revoked in ((_KEY, "bob", None), (_REVOKED_KEY, "carol", LONG_AGO)):
        stored = {"scheme": "sha256", "digest": parsed.sha256}
        record = {"id": parsed.id, "hash": stored, "user": user, "roles": ["agent", user], "created_at": LONG_AGO}
        await redis.hset(api_key.redis_key("support"), parsed.id, json.dumps(record | {"revoked_at": revoked}))
    now = datetime.now(UTC)
    one = Revocation(jti="e", revoked_at=now, expires_at=now + timedelta(days=1))
    await redis.hset(redis_key("support"), one.id, one.model_dump_json())
    await redis.set(version_key("support"), "1")


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    await fill(client)
    yield client
    await client.aclose(close_connection_pool=True)


async def expect(service: Service, state: dict[str, str]) -> None:
    await service.denylists.look()
    for (name, route), sent in itertools.product(ROUTES.items(), combinations()):
        answer = await service.ask(name, sent)
        who, about = who_passes(route, sent, state), (name, sent, state)
        assert (answer.status.code == 0) == (who is not None), about
        if answer.status.code == 0:
            headers = {option.header.key: option.header.value for option in answer.ok_response.headers}
            assert headers.get("x-gate-user", "") == who, about
            removed = set(answer.ok_response.headers_to_remove)
            assert {*policy.IDENTITY_HEADERS, "x-api-key"} <= headers.keys() | removed, about
            assert ("authorization" in removed) == ("jwt" in sent), about
        else:
            status, reason = answer.denied_response.status.code, answer.status.message
            assert reason != "internal-error", about
            doubtful = any(verdict(method, one, state) == UNKNOWN for method, one in sent.items())
            assert status in ({400, 401, 403, 503} if doubtful else {400, 401, 403}), about
            assert (status == 401) == bool(
                [one for one in answer.denied_response.headers if one.header.key == "www-authenticate"]
            ), about


NOTHING_KNOWN = {"api_key": UNKNOWN, "jwt": UNKNOWN}


async def test_who_is_let_in_whatever_is_sent_wherever_and_whatever_becomes_of_redis(
    redis: Redis, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "FRESH_SECONDS", 0)
    monkeypatch.setattr(keyset, "PAUSE_SECONDS", 0)
    (jwks := tmp_path / "jwks.json").write_bytes(KEY_SET)
    warm, cold = Service(redis, jwks), Service(redis, jwks)
    await expect(warm, {})
    valkey.kill()
    await expect(warm, {STRANGE_KEY: UNKNOWN})  # what is known goes on for a while
    await expect(cold, NOTHING_KNOWN)
    valkey.start()
    await expect(warm, {"api_key": BAD})  # it is empty: no key works, and no revoked token comes alive
    await fill(redis)
    await expect(warm, {})
    await expect(cold, {})
