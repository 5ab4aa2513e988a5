import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from ext_authz import denylists as denylists_module
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import Denylists, follow_denylists
from ext_authz.identity import Refusal
from ext_authz.jwks import FileSource
from ext_authz.keyset import connect
from ext_authz.policy import Policy
from ext_authz.revocation import MAX_ENTRIES, Denylist, Revocation, redis_key, version_key
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.worlds import ISSUER, KEY_SET, NOW, POLICY, PinnedSources, bearer, claims, eventually, outcome

WHEN = datetime.fromtimestamp(NOW, UTC)
OTHER = "https://other.example.com"


def revoked(**changes: Any) -> Revocation:
    return Revocation(**({"revoked_at": WHEN, "expires_at": WHEN + timedelta(days=1)} | changes))


ONE_TOKEN = revoked(jti="j1")
OF_THE_ISSUER = revoked(jti="j1", issuer=OTHER)
USER = revoked(user="alice", issued_before=WHEN)
EVERYBODY = revoked(issued_before=WHEN)
THE_ISSUERS = revoked(issuer=OTHER, issued_before=WHEN)


@pytest.mark.parametrize(
    ("revocations", "token", "hit"),
    [
        ([], {}, False),
        ([ONE_TOKEN], {}, True),
        ([ONE_TOKEN], {"issuer": OTHER}, True),
        ([ONE_TOKEN], {"jti": "j2"}, False),
        ([ONE_TOKEN], {"jti": None}, False),
        ([OF_THE_ISSUER], {}, False),
        ([OF_THE_ISSUER], {"issuer": OTHER}, True),
        ([USER], {}, True),
        ([USER], {"issued_at": NOW - 10_000}, True),
        ([USER], {"issued_at": NOW + 1}, False),
        ([USER], {"issued_at": NOW + 0.001}, False),
        ([USER], {"user": "bob"}, False),
        ([USER], {"user": "Alice"}, False),
        ([EVERYBODY], {"user": "bob"}, True),
        ([EVERYBODY], {"user": "bob", "issuer": OTHER}, True),
        ([THE_ISSUERS], {}, False),
        ([THE_ISSUERS], {"issuer": OTHER}, True),
        ([revoked(user="alice", issued_before=WHEN - timedelta(hours=1)), USER], {}, True),
        ([USER, revoked(user="alice", issued_before=WHEN - timedelta(hours=1))], {}, True),
        ([OF_THE_ISSUER, revoked(user="bob", issued_before=WHEN)], {}, False),
    ],
)
def test_a_revocation_hits_its_tokens_and_no_others(
    revocations: list[Revocation], token: dict[str, Any], hit: bool
) -> None:
    asked = {"issuer": ISSUER, "jti": "j1", "user": "alice", "issued_at": NOW} | token
    assert Denylist(revocations).refuses(**asked) is hit


@pytest.mark.parametrize(
    "changes", [{}, {"jti": "a", "user": "b"}, {"jti": "a", "issued_before": WHEN}, {"user": "a"}, {"more": 1}]
)
def test_a_revocation_that_says_nothing_or_two_things_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        revoked(**changes)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@dataclass
class World:
    """The operator's side, the service's copy, and the authenticator that obeys it."""

    redis: Redis
    lists: Denylists
    tokens: JwtAuthenticator
    versions: int = field(default=0)

    async def write(self, *revocations: Revocation, raw: dict[str, str] | None = None) -> None:
        """The whole list anew, as gatectl would leave it."""
        await self.redis.delete(redis_key("support"))
        documents = {one.id: one.model_dump_json() for one in revocations} | (raw or {})
        if documents:
            await self.redis.hset(redis_key("support"), mapping=documents)
        self.versions += 1
        await self.redis.set(version_key("support"), str(self.versions))

    async def reason(self, token: str, policy: Policy = POLICY) -> str:
        judged = await outcome(self.tokens, policy, token)
        return f"{judged.reason.status} {judged.reason.code}" if isinstance(judged, Refusal) else "accepted"


@pytest.fixture
async def world(shared: Valkey, tmp_path: Path) -> AsyncIterator[World]:
    redis = connect(shared.url)
    await redis.flushdb()
    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    sources: Any = PinnedSources(FileSource(tmp_path / "jwks.json"))
    lists = Denylists(redis)
    lists.follow([POLICY])
    yield World(redis, lists, JwtAuthenticator(sources, lists))
    await redis.aclose(close_connection_pool=True)


def stale(seconds: int) -> Policy:
    return POLICY.model_copy(update={"revocations_stale_seconds": seconds})


async def test_before_the_list_was_ever_seen_no_token_is_accepted(world: World) -> None:
    assert await world.reason(bearer()) == "503 revocations-unavailable"
    await world.lists.look()
    assert await world.reason(bearer()) == "accepted"


async def test_a_revoked_token_is_refused_though_it_was_verified_before_and_works_again_when_reinstated(
    world: World,
) -> None:
    token = bearer(claims(jti="j1"))
    await world.lists.look()
    assert await world.reason(token) == "accepted"
    await world.write(ONE_TOKEN)
    await world.lists.look()
    assert await world.reason(token) == "401 token-revoked"
    assert await world.reason(bearer(claims(jti="j2"))) == "accepted"
    await world.write()
    await world.lists.look()
    assert await world.reason(token) == "accepted"


async def test_a_user_is_revoked_by_the_name_that_the_claims_give(world: World) -> None:
    await world.write(revoked(user="al@example.com", issued_before=WHEN))
    await world.lists.look()
    by_mail = POLICY.issuers[0].model_copy(update={"user_claim": "email"})
    policy = POLICY.model_copy(update={"issuers": (by_mail,)})
    assert await world.reason(bearer(claims(email="al@example.com")), policy) == "401 token-revoked"
    assert await world.reason(bearer(claims(email="bo@example.com")), policy) == "accepted"
    assert await world.reason(bearer(claims(email="al@example.com", iat=NOW + 1)), policy) == "accepted"


async def test_the_list_is_read_only_when_its_version_has_changed(world: World) -> None:
    await world.write(ONE_TOKEN)
    await world.lists.look()
    await world.redis.config_resetstat()
    for _ in range(3):
        await world.lists.look()
    asked: dict[str, Any] = await world.redis.info("commandstats")
    assert asked["cmdstat_get"]["calls"] == 3
    assert "cmdstat_hvals" not in asked


async def test_the_last_copy_holds_for_a_while_without_redis_and_then_no_token_is_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = bearer(claims(jti="j1"))
    await world.write(ONE_TOKEN)
    await world.lists.look()
    away = connect("redis://127.0.0.1:1/0")
    monkeypatch.setattr(world.lists, "_redis", away)
    await world.lists.look()
    assert [await world.reason(one) for one in (token, bearer())] == ["401 token-revoked", "accepted"]
    later = time.monotonic() + 61
    monkeypatch.setattr(denylists_module.time, "monotonic", lambda: later)
    assert await world.reason(bearer(), stale(60)) == "503 revocations-unavailable"
    assert await world.reason(bearer(), stale(62)) == "accepted"
    assert await world.reason(token, stale(60)) == "503 revocations-unavailable"
    monkeypatch.setattr(world.lists, "_redis", world.redis)
    await world.lists.look()
    assert await world.reason(bearer(), stale(60)) == "accepted"
    await away.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    "document", ["", "{}", "null", '{"jti": "x"}', USER.model_dump_json()[:-1] + ', "only_on": "sundays"}']
)
async def test_a_list_with_a_revocation_that_cannot_be_read_is_not_taken_for_the_whole(
    world: World, document: str
) -> None:
    await world.write(ONE_TOKEN)
    await world.lists.look()
    await world.write(raw={"odd": document})
    await world.lists.look()
    assert await world.reason(bearer(claims(jti="j1"))) == "401 token-revoked"  # by the copy before
    assert world.lists._copies["support"].version == b"1"


async def test_a_list_that_is_too_long_is_not_read(world: World) -> None:
    await world.lists.look()
    await world.write(raw={str(index): "x" for index in range(MAX_ENTRIES + 1)})
    await world.lists.look()
    assert world.lists._copies["support"].version is None


async def test_what_was_revoked_stays_revoked_when_redis_loses_its_data(world: World) -> None:
    await world.write(ONE_TOKEN)
    await world.lists.look()
    await world.redis.flushdb()
    await world.lists.look()
    assert await world.reason(bearer(claims(jti="j1"))) == "401 token-revoked"
    world.versions = 6
    await world.write(USER)
    await world.lists.look()
    assert await world.reason(bearer(claims(jti="j1", iat=NOW + 1))) == "accepted"


class Book:
    """As much of a PolicyBook as is listened to."""

    def __init__(self, policies: list[Policy]) -> None:
        self.policies = {policy.revision: policy for policy in policies}
        self.tell: Any = None

    @property
    def revisions(self) -> list[str]:
        return list(self.policies)

    def get(self, revision: str) -> Policy | None:
        return self.policies.get(revision)

    def on_load(self, listener: Any) -> None:
        self.tell = listener
        for policy in self.policies.values():
            listener(policy)


class Asked:
    """A Redis that has nothing and counts what it is asked."""

    def __init__(self) -> None:
        self.count = 0

    async def get(self, _: str) -> None:
        self.count += 1

    async def hlen(self, _: str) -> int:
        return 0

    async def hvals(self, _: str) -> list[str]:
        return []


async def test_a_gateway_without_issuers_asks_nobody_until_it_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denylists_module, "POLL_SECONDS", 0.01)
    redis: Any = Asked()
    book: Any = Book([POLICY.model_copy(update={"issuers": ()})])
    async with follow_denylists(redis, book) as lists:
        await asyncio.sleep(0.05)  # nothing to wait for: it is to do nothing
        assert redis.count == 0
        assert lists.known("support", 300) is None
        book.policies["r2"] = POLICY.model_copy(update={"revision": "r2"})
        book.tell(book.policies["r2"])
        await eventually(lambda: redis.count >= 3)
        assert lists.known("support", 300) is not None
        del book.policies["r2"]
        book.tell(POLICY)
        assert lists.known("support", 300) is None


async def test_a_revocation_is_in_force_within_a_second(world: World) -> None:
    book: Any = Book([POLICY])
    async with follow_denylists(world.redis, book) as lists:
        await world.write(ONE_TOKEN)
        started = time.monotonic()

        def hit() -> bool:
            known = lists.known("support", 300)
            return known is not None and known.refuses(ISSUER, "j1", "alice", NOW)

        assert not hit()
        await eventually(hit)
        assert time.monotonic() - started < 1


def test_a_record_says_who_revoked_what_in_json() -> None:
    assert json.loads(USER.model_dump_json()) == {
        "issuer": None,
        "jti": None,
        "user": "alice",
        "issued_before": WHEN.isoformat().replace("+00:00", "Z"),
        "reason": None,
        "revoked_at": WHEN.isoformat().replace("+00:00", "Z"),
        "expires_at": (WHEN + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
    }
