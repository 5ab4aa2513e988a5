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
FAILURES, BLOCKS = redis_keys("support")


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
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def replicas(redis: Redis) -> tuple[Replica, Replica]:
    return Replica(redis), Replica(redis)


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


async def test_after_an_outage_all_blocks_are_read_again(
    valkey: Valkey, redis: Redis, replicas: tuple[Replica, Replica]
) -> None:
    one, other = replicas
    one.now = throttle_clock()
    one.fail(6)
    await one.exchange()
    await other.exchange()
    (_, end), *_ = await redis.zrange(BLOCKS, 0, -1, withscores=True)
    await redis.zadd(BLOCKS, {"address 192.0.2.8": end - 1000})  # by a clock that is behind
    await other.exchange()
    assert list(other.throttle.failures[ADDRESS].blocks) == [ADDRESS_OF_ALL]
    valkey.freeze()
    await other.exchange()
    valkey.thaw()
    await other.exchange()
    assert set(other.throttle.failures[ADDRESS].blocks) == {ADDRESS_OF_ALL, "192.0.2.8"}


async def test_a_block_is_not_prolonged_and_one_that_is_over_goes(
    redis: Redis, replicas: tuple[Replica, Replica]
) -> None:
    one, other = replicas
    one.now = other.now = throttle_clock()
    await redis.zadd(BLOCKS, {"address 192.0.2.8": 1})
    one.fail(6)
    other.fail(6)
    await one.exchange()
    first = await redis.zrange(BLOCKS, 0, -1, withscores=True)
    await other.exchange()
    assert [name for name, _ in first] == [b"address 192.0.2.7"]
    assert await redis.zrange(BLOCKS, 0, -1, withscores=True) == first


async def test_what_redis_keeps_is_bounded_and_expires(
    redis: Redis, replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
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
    assert (await redis.zcard(FAILURES), await redis.zcard(BLOCKS)) == (10, 10)
    assert await redis.zscore(FAILURES, "address 192.0.2.1") == 3  # those that failed least made room
    assert 0 < await redis.pttl(FAILURES) <= LIMITS.window_ms
    assert 0 < await redis.pttl(BLOCKS) <= LIMITS.block_ms


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
