"""Several processes and one level: on real servers, decided once, and still there when Redis is not."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ratelimit_svc.adaptive.law import NOTHING, Figures, Law, State, step
from ratelimit_svc.adaptive.sharing import KEEP_MS, SCRIPT, Levels, key_of, read, write
from ratelimit_svc.redis.exchange import Command
from ratelimit_svc.store import StoreUnavailableError
from tests.ratelimit_svc.conftest import Server

LAW = Law(floor=0.1, target_ms=200)
BAD = Figures(ended=100, errors=100, slow=0, duration_ms=1000, pressed=10)
WELL = Figures(ended=100, duration_ms=1000, pressed=10)
INTERVAL_MS = 40


class Client:
    """A client of its own for each process."""

    def __init__(self, url: str) -> None:
        self.client = Redis.from_url(url)

    async def ask(self, commands: Sequence[Command], key: str) -> list[Any]:
        assert key
        try:
            return [await self.client.execute_command(*command) for command in commands]
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(type(error).__name__) from error


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Client]:
    found = Client(server.url)
    yield found
    await found.client.aclose()


@pytest.fixture
def gateway() -> str:
    """Keys of the test's own."""
    return uuid.uuid4().hex


async def stored(redis: Client, gateway: str, limit: str = "a") -> dict[str, str]:
    found: dict[bytes, bytes] = await redis.client.hgetall(key_of(gateway, limit))
    return {name.decode(): value.decode() for name, value in found.items()}


async def next_interval(redis: Client, interval_ms: int = INTERVAL_MS) -> None:
    """Return once Redis's clock is in another interval."""

    seconds, micros = await redis.client.time()
    await asyncio.sleep((interval_ms - (seconds * 1000 + micros // 1000) % interval_ms) / 1000)


async def exchange(replicas: Sequence[Levels], gateway: str, figures: Figures) -> set[float]:
    """The levels of all after they have told and learned once."""
    for replica in replicas:
        replica.note("a", figures)
        await replica.exchange(gateway, {"a": LAW})
    return {replica.level("a", LAW) for replica in replicas}


async def come_down(replicas: Sequence[Levels], gateway: str) -> set[float]:
    """The one level that all have come down to, when nothing is left to be decided."""
    found = await exchange(replicas, gateway, BAD)
    for _ in range(10):
        await asyncio.sleep(0.002)  # two of their intervals
        found = await exchange(replicas, gateway, NOTHING)
    assert len(found) == 1
    assert max(found) < 1
    return found


async def test_two_replicas_that_ask_at_other_times_have_the_same_level(redis: Client, gateway: str) -> None:
    replicas = [Levels(redis, INTERVAL_MS), Levels(redis, INTERVAL_MS)]
    seen: list[dict[str, float]] = [{}, {}]

    async def live(which: int, every: float) -> None:
        for _ in range(6):
            replicas[which].note("a", BAD if which else WELL)
            await replicas[which].exchange(gateway, {"a": LAW})
            found = await stored(redis, gateway)
            seen[which][found["decided"]] = read(found["state"])[0]  # type: ignore[assignment]  # compared only
            await asyncio.sleep(every)

    await asyncio.gather(live(0, INTERVAL_MS / 1000), live(1, INTERVAL_MS / 700))
    common = seen[0].keys() & seen[1].keys()
    assert len(common) >= 2
    assert all(seen[0][interval] == seen[1][interval] for interval in common)
    await replicas[0].exchange(gateway, {"a": LAW})
    await replicas[1].exchange(gateway, {"a": LAW})
    await replicas[0].exchange(gateway, {"a": LAW})
    assert replicas[0].level("a", LAW) == replicas[1].level("a", LAW) < 1


async def test_the_figures_of_all_processes_are_judged_together(redis: Client, gateway: str) -> None:
    one, other = Levels(redis, INTERVAL_MS), Levels(redis, INTERVAL_MS)
    await next_interval(redis)
    one.note("a", Figures(ended=95, pressed=1))
    other.note("a", Figures(ended=5, errors=5))  # all bad by itself, and just bearable of the whole
    await one.exchange(gateway, {"a": LAW})
    await other.exchange(gateway, {"a": LAW})
    await next_interval(redis)
    await one.exchange(gateway, {"a": LAW})
    assert (await stored(redis, gateway))["state"] == write(*step(LAW, State(), Figures(100, 5, 0, 0, 1)))


async def test_an_interval_is_decided_once_whoever_offers(redis: Client, gateway: str) -> None:
    replicas = [Levels(redis, INTERVAL_MS) for _ in range(8)]
    for replica in replicas:
        replica.note("a", BAD)
        await replica.exchange(gateway, {"a": LAW})
    await next_interval(redis)
    for _ in range(10):  # an offer that comes an interval late is none, and its process hears of another the next time
        await asyncio.gather(*(replica.exchange(gateway, {"a": LAW}) for replica in replicas))
        if len(levels := {replica.level("a", LAW) for replica in replicas}) == 1:
            break
    assert levels == {step(LAW, State(), BAD)[0].level}


async def test_an_offer_about_an_interval_that_is_decided_changes_nothing(redis: Client, gateway: str) -> None:
    replica = Levels(redis, INTERVAL_MS)
    replica.note("a", BAD)
    await replica.exchange(gateway, {"a": LAW})
    await next_interval(redis)
    await replica.exchange(gateway, {"a": LAW})
    before = await stored(redis, gateway)
    late: list[str | int] = [
        INTERVAL_MS,
        KEEP_MS,
        0,
        0,
        0,
        0,
        0,
        int(before["decided"]),
        -1,
        write(State(level=0.2), "errors"),
    ]
    await redis.ask([("EVAL", SCRIPT, 1, key_of(gateway, "a"), *late)], "any")
    assert (await stored(redis, gateway))["state"] == before["state"]


async def test_a_level_does_not_stay_forever(redis: Client, gateway: str) -> None:
    await Levels(redis).exchange(gateway, {"a": LAW})
    assert 0 < await redis.client.pttl(key_of(gateway, "a")) <= KEEP_MS


async def test_limits_have_levels_of_their_own(redis: Client, gateway: str) -> None:
    replica = Levels(redis, INTERVAL_MS)
    replica.note("bad", BAD)
    replica.note("well", WELL)
    await replica.exchange(gateway, {"bad": LAW, "well": LAW})
    await next_interval(redis)
    await replica.exchange(gateway, {"bad": LAW, "well": LAW})
    assert (replica.level("bad", LAW) < 1, replica.level("well", LAW)) == (True, 1)


@pytest.mark.parametrize("rubbish", ["", "[]", "null", "[2, 0, 0, [0, 0, 0, 0, 0], 0, 1]", "[NaN]", '"a"'])
async def test_rubbish_in_redis_is_no_level(redis: Client, gateway: str, rubbish: str) -> None:
    key = key_of(gateway, "a")
    await redis.client.hset(key, mapping={"open": "x", "closed": rubbish, "decided": "1", "state": rubbish})
    replica = Levels(redis, INTERVAL_MS)
    await replica.exchange(gateway, {"a": LAW})
    assert replica.level("a", LAW) == 1
    replica.note("a", BAD)
    await replica.exchange(gateway, {"a": LAW})
    await next_interval(redis)
    await replica.exchange(gateway, {"a": LAW})
    assert LAW.floor <= replica.level("a", LAW) < 1


async def test_without_redis_each_goes_on_by_its_own_figures_and_tells_a_redis_that_forgot(
    fragile_server: Server, gateway: str
) -> None:
    redis = Client(fragile_server.url)
    try:
        replica = Levels(redis, INTERVAL_MS)
        await replica.exchange(gateway, {"a": LAW})
        fragile_server.kill()
        replica.note("a", BAD)
        await replica.exchange(gateway, {"a": LAW})
        alone = replica.level("a", LAW)
        assert alone == step(LAW, State(), BAD)[0].level
        fragile_server.start()
        await replica.exchange(gateway, {"a": LAW})
        await next_interval(redis)
        newcomer = Levels(redis, INTERVAL_MS)
        await replica.exchange(gateway, {"a": LAW})
        await newcomer.exchange(gateway, {"a": LAW})
        assert replica.level("a", LAW) == newcomer.level("a", LAW) == alone
    finally:
        await redis.client.aclose()


async def test_a_limit_that_is_gone_is_forgotten_and_another_floor_holds_at_once(redis: Client, gateway: str) -> None:
    replica = Levels(redis, INTERVAL_MS)
    replica.note("a", BAD)
    await replica.exchange(gateway, {"a": LAW})
    await next_interval(redis)
    await replica.exchange(gateway, {"a": LAW})
    assert replica.level("a", LAW) < 0.9
    assert replica.level("a", Law(floor=0.9, target_ms=200)) == 0.9
    await replica.exchange(gateway, {})
    assert replica.level("a", LAW) == 1


@settings(max_examples=25)
@given(st.text() | st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_in_redis_is_read_as_a_state_or_as_none(text: str) -> None:
    state, _ = read(text)
    assert state is None or 0 < state.level <= 1


@given(
    st.builds(
        State,
        level=st.floats(0.001, 1),
        knee=st.floats(0, 1),
        settling=st.integers(0, 100),
        pending=st.builds(Figures, *[st.integers(0, 2**53)] * 5),
        waited=st.integers(0, 100),
    )
)
def test_a_state_survives_its_text(state: State) -> None:
    assert read(write(state, "raised")) == (state, "raised")
