"""Two replicas and a real Redis: what one of them sees, the other one knows."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from ext_authz import shared_failures
from ext_authz.keyset import connect
from ext_authz.shared_failures import SharedFailures, redis_keys
from ext_authz.throttle import ADDRESS
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.test_throttle import LIMITS, World, told

ADDRESS_OF_ALL = "192.0.2.7"


class Replica(World):
    """A process of its own."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self.sharing = SharedFailures(redis, self.throttle)

    async def exchange(self) -> None:
        await self.sharing.exchange("support", LIMITS)
        self.now = throttle_clock()


def throttle_clock() -> float:
    return shared_failures.time.monotonic()


@pytest.fixture
async def replicas(valkey: Valkey) -> AsyncIterator[tuple[Replica, Replica]]:
    redis = connect(valkey.url)
    yield Replica(redis), Replica(redis)
    await redis.aclose(close_connection_pool=True)


async def test_what_one_replica_blocks_the_other_refuses_after_its_next_exchange(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    one.now = other.now = throttle_clock()
    one.fail(6)
    await one.exchange()
    assert told(other.ask("wrong"))[0] == 401
    await other.exchange()
    status, _, seconds = told(other.ask("wrong"))
    assert status == 429
    assert seconds is not None
    assert 298 <= seconds <= 300


async def test_failures_that_are_spread_over_replicas_add_up(replicas: tuple[Replica, Replica]) -> None:
    for replica in replicas:
        replica.now = throttle_clock()
        replica.fail(3)
        await replica.exchange()
    one, other = replicas
    assert told(other.ask("wrong"))[0] == 429  # the third of three was the sixth of all
    await one.exchange()
    assert told(one.ask("wrong"))[0] == 429


async def test_a_shared_count_slows_elsewhere_too(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    one.now = other.now = throttle_clock()
    one.fail(3)
    await one.exchange()
    other.fail(1)
    await other.exchange()
    assert [one_answer.delayed for one_answer in other.fail(1)] == [True]


async def test_without_redis_every_process_goes_on_alone_and_the_report_waits(
    valkey: Valkey, replicas: tuple[Replica, Replica]
) -> None:
    one, other = replicas
    one.now = other.now = throttle_clock()
    valkey.kill()
    assert told(one.fail(8)[-1])[0] == 429
    await one.exchange()
    assert told(one.ask("wrong"))[0] == 429
    valkey.start()
    await one.exchange()
    await other.exchange()
    assert told(other.ask("wrong"))[0] == 429


async def test_what_redis_keeps_is_bounded_and_expires(
    valkey: Valkey, replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_failures, "FAILURES_CAPACITY", 10)
    monkeypatch.setattr(shared_failures, "BLOCKED_CAPACITY", 5)
    one, _ = replicas
    one.now = throttle_clock()
    one.fail(3, "192.0.2.1")
    for number in range(50):
        one.fail(1, f"10.0.0.{number}")
    for number in range(20):
        one.fail(6, f"10.0.1.{number}")
    await one.exchange()
    failures, blocks = redis_keys("support")
    redis = connect(valkey.url)
    assert (await redis.zcard(failures), await redis.zcard(blocks)) == (10, 10)
    assert await redis.zscore(failures, "address 192.0.2.1") == 3  # those that failed least made room
    assert 0 < await redis.pttl(failures) <= LIMITS.window_ms
    assert 0 < await redis.pttl(blocks) <= LIMITS.block_ms
    await redis.aclose(close_connection_pool=True)


async def test_a_block_that_is_known_is_not_sent_again_but_once_in_a_while(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = replicas
    one.now = throttle_clock()
    one.fail(6)
    await one.exchange()
    await other.exchange()
    blocked = other.throttle.failures[ADDRESS].blocks
    assert list(blocked) == [ADDRESS_OF_ALL]
    blocked.clear()
    await other.exchange()
    assert not blocked
    monkeypatch.setattr(shared_failures, "ALL_AGAIN", 1)
    await other.exchange()
    assert list(blocked) == [ADDRESS_OF_ALL]
