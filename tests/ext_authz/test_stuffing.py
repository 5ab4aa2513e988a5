"""Credential stuffing against the real service, a process of its own with a real Redis, while good clients work."""

import asyncio
import itertools
import json
import os
import re
import statistics
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import api_key, envoy_api
from ext_authz.keyset import connect
from ext_authz.policy import Throttling
from ext_authz.throttle import DELAY_SECONDS
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.worlds import POLICY, check_request, request
from tests.serving.processes import Running, stage

KEYS = 10_000
FLOOD = 7950
"""How many of them come as fast as they can."""
ROUNDS, UNDISTURBED = 12, 3
"""A busy neighbour slows some rounds, an attack that works slows all of them: the best few tell."""
ATTACKER, ELSEWHERE = "203.0.113.7", "192.0.2.7"
LIMITS = Throttling(slow_after=10, refuse_after=50, window_ms=60_000, block_ms=300_000)
Check = Callable[[bytes], Awaitable[bytes]]


def stolen(number: int) -> str:
    """A well-formed key that nobody has."""
    body = f"gk_{number:012d}_{'s' * 50}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def asks(key: str, address: str) -> bytes:
    return check_request(request("any", key=key)._replace(address=address))


@pytest.fixture
def service(valkey: Valkey, tmp_path: Path) -> Iterator[Running]:
    stage(tmp_path, "current", "authz.json", POLICY.model_copy(update={"throttling": LIMITS}).model_dump_json())
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    with Running("ext_authz", tmp_path, EXT_AUTHZ_REDIS_URL=valkey.url) as running:
        running.logged("policy loaded")
        yield running


@pytest.fixture
async def check(service: Running) -> AsyncIterator[Check]:
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        yield channel.unary_unary(f"/{envoy_api.GRPC_SERVICE}/Check")


@pytest.fixture
async def good_keys(valkey: Valkey) -> list[str]:
    made = [api_key.mint() for _ in range(2)]
    operator = connect(valkey.url)
    for key, parsed in made:
        sealed = api_key.Peppers().seal(key).model_dump()
        record: dict[str, Any] = {"id": parsed.id, "hash": sealed, "user": "bob", "roles": ["agent"]}
        document = json.dumps(record | {"created_at": "2026-01-01T00:00:00Z"})
        await operator.hset(api_key.redis_key("support"), parsed.id, document)
    await operator.aclose(close_connection_pool=True)
    return [key for key, _ in made]


def status(answer: bytes) -> int:
    return external_auth_pb2.CheckResponse.FromString(answer).denied_response.status.code or 200


def megabytes(pid: int) -> float:
    """Memory that a process has in RAM."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Time that a process has computed for, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """An attacker with one key after the other, and good clients at his address and elsewhere."""

    def __init__(self, check: Check, good_keys: list[str]) -> None:
        self._check = check
        self._keys = iter([asks(stolen(number), ATTACKER) for number in range(KEYS)])
        self._elsewhere, self._beside = (
            asks(key, address) for key, address in zip(good_keys, (ELSEWHERE, ATTACKER), strict=True)
        )
        self.refused: list[int] = []

    async def guess(self, times: int, together: int) -> None:
        """Try further keys, so many at a time."""
        keys = itertools.islice(self._keys, times)

        async def one_by_one() -> None:
            for key in keys:
                self.refused.append(status(await self._check(key)))

        await asyncio.gather(*(one_by_one() for _ in range(together)))

    async def work(self, until: Callable[[], bool], pause: float = 0) -> list[float]:
        """Good requests one after the other; the milliseconds that those from elsewhere took."""
        took: list[float] = []
        while not until():
            started = time.perf_counter()
            assert status(await self._check(self._elsewhere)) == 200
            took.append((time.perf_counter() - started) * 1000)
            if len(took) % 10 == 0:
                assert status(await self._check(self._beside)) == 200
            await asyncio.sleep(pause)
        return took

    async def work_while_guessed(self, times: int, together: int, pause: float = 0) -> list[float]:
        guessing = asyncio.create_task(self.guess(times, together))
        took = await self.work(guessing.done, pause)
        await guessing
        return took


def in_turn(times: int) -> Callable[[], bool]:
    """False so many times."""
    left = iter(range(times))
    return lambda: next(left, None) is None


async def test_ten_thousand_stolen_keys_neither_fill_the_memory_nor_slow_good_clients(
    service: Running, check: Check, good_keys: list[str]
) -> None:
    crowd = Crowd(check, good_keys)
    (pid,) = service.pids()
    await crowd.work(in_turn(200))
    memory = megabytes(pid)

    started = time.perf_counter()
    await crowd.guess(LIMITS.refuse_after, LIMITS.refuse_after)
    assert time.perf_counter() - started >= DELAY_SECONDS  # those beyond slow_after were held back
    assert crowd.refused == [401] * LIMITS.refuse_after

    await crowd.work_while_guessed(FLOOD, 16, pause=0.01)
    computed = cpu_seconds(pid)
    await crowd.guess(1000, 1)
    a_guess, computed = cpu_seconds(pid) - computed, cpu_seconds(pid)
    await crowd.work(in_turn(909))  # every tenth has one from beside the attacker with it
    a_good_one = cpu_seconds(pid) - computed

    rounds: list[tuple[list[float], list[float]]] = []
    left = KEYS - FLOOD - 1000 - LIMITS.refuse_after
    for number in range(ROUNDS):  # in turn, so that both meet the same machine
        quiet = await crowd.work(in_turn(50))
        guesses = left * (number + 1) // ROUNDS - left * number // ROUNDS
        rounds.append((quiet, await crowd.work_while_guessed(guesses, 1)))

    assert crowd.refused[LIMITS.refuse_after :] == [429] * (KEYS - LIMITS.refuse_after)
    assert megabytes(pid) - memory < 16
    assert a_guess < 1.3 * a_good_one, (a_guess, a_good_one)
    for share in (0.5, 0.95):
        slower = sorted(quantile(attacked, share) / quantile(quiet, share) for quiet, attacked in rounds)
        assert slower[UNDISTURBED - 1] <= 2, (share, slower)


def quantile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100)[round(share * 100) - 1]
