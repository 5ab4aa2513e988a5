"""What is kept of a million callers who never come again: in a process of ratelimit_svc, and in Redis.

The service's own answers, from the bytes of a RateLimitRequest on, with everything that a worker opens.
"""

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc.aio
import redis
from envoy.service.ratelimit.v3 import rls_pb2

from bench.processes import redis_url
from bench.report import Kept
from bench.wrk import BenchError
from ratelimit_svc import policy
from ratelimit_svc.denied import MOST_CHARGES
from ratelimit_svc.envoy_api import SERVICE
from ratelimit_svc.policy import Limit, Policy, Rate
from ratelimit_svc.server import WORKER
from ratelimit_svc.settings import SETTINGS
from serving import settings
from serving.policies import PolicyBook

VALUES = 200_000
"""Of each kind: five kinds are a million."""
AT_ONCE = 256
"""Values in one call; of the refused, as many as a call may have that is remembered."""
GATEWAY = "distinct"
HOUR_MS = 3_600_000


class Kind(NamedTuple):
    """Callers who are told apart by one dimension of one limit."""

    name: str
    limit: str
    dimension: str
    value: Callable[[int], str]


KINDS = (
    Kind("users", "each", "user", lambda number: f"user:{number}"),
    Kind("users, all refused", "none", "user", lambda number: f"user:{number}"),
    Kind(
        "IPv6 networks", "address", "client_address", lambda number: f"2001:db8:{number >> 16:x}:{number & 65535:x}::1"
    ),
    Kind("headers, detailed", "header", "header.x-tenant", lambda number: f"{number:064}"),
)
AWAY = Kind("users, without Redis", "each", "user", lambda number: f"user:away:{number}")


def measure(say: Callable[[str], None], *, values: int = VALUES, options: Sequence[str] = ()) -> list[Kept]:
    """Every kind in turn, by one service with its usual settings and ``options``. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="gatectl-bench-") as directory:
        return asyncio.run(_measure(Path(directory), say, values, options))


async def _measure(directory: Path, say: Callable[[str], None], values: int, options: Sequence[str]) -> list[Kept]:
    async with contextlib.AsyncExitStack() as stack:
        running = stack.enter_context(contextlib.ExitStack())
        url = running.enter_context(redis_url(directory))
        client = stack.enter_context(redis.Redis.from_url(url))
        words = ["--state-dir", str(directory), "--redis-url", url, "--store-deadline", "5", *options]
        opened = WORKER.opened(settings.read("bench", settings.SERVING + SETTINGS, words, {}), _book(directory))
        server = grpc.aio.server()
        (await stack.enter_async_context(opened))(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        kept = []
        for kind in KINDS:
            say(f"distinct values: {kind.name}")
            before, keys = _memory(client), _keys(client)
            half, all_of_them = await _come(channel, kind, values)
            made = _keys(client) - keys
            kept.append(
                Kept(
                    kind.name,
                    values,
                    half,
                    all_of_them,
                    (_memory(client) - before) / made if made > values / 2 else None,
                )
            )
        say(f"distinct values: {AWAY.name}")
        running.close()
        kept.append(Kept(AWAY.name, values, *await _come(channel, AWAY, values), None))
        return kept


def _book(directory: Path) -> PolicyBook[Policy]:
    most, nothing = (Rate(requests=number, window_ms=HOUR_MS) for number in (100, 0))
    limits = {kind.limit: Limit(rates=(most,), per=(kind.dimension,)) for kind in KINDS}
    limits["none"] = Limit(rates=(nothing,), per=("user",))
    limits["header"] = Limit(rates=(most,), per=("header.x-tenant",), detailed=True)
    (directory / "current").mkdir()
    document = Policy(revision=GATEWAY, gateway=GATEWAY, limits=limits).model_dump_json()
    (directory / "current" / "limits.json").write_text(document)
    book = PolicyBook(directory, "limits.json", policy.load)
    book.refresh()
    return book


async def _come(channel: grpc.aio.Channel, kind: Kind, values: int) -> tuple[float, float]:
    """Ask about every value once. Megabytes resident after half of them, and after all."""
    ask, half = channel.unary_unary(f"/{SERVICE}/ShouldRateLimit"), 0.0
    at_once = MOST_CHARGES if kind.limit == "none" else AT_ONCE
    for first in range(0, values, at_once):
        request = rls_pb2.RateLimitRequest(domain=GATEWAY)
        for number in range(first, min(first + at_once, values)):
            entries = request.descriptors.add().entries
            for key, value in (("limit", kind.limit), ("revision", GATEWAY), (kind.dimension, kind.value(number))):
                entries.add(key=key, value=value)
        answer = rls_pb2.RateLimitResponse.FromString(await ask(request.SerializeToString()))
        wanted = rls_pb2.RateLimitResponse.OVER_LIMIT if kind.limit == "none" else rls_pb2.RateLimitResponse.OK
        if answer.overall_code != wanted:
            raise BenchError(f"{kind.name}: a call was answered with {answer.overall_code}")
        if not half and first >= values / 2:
            half = _resident_mb()
    return half, _resident_mb()


def _memory(client: "redis.Redis") -> int:
    return int(client.info("memory")["used_memory"])


def _keys(client: "redis.Redis") -> int:
    """Keys there are. Raises BenchError when one of them has no time to live."""
    told = client.info("keyspace").get("db0", {"keys": 0, "expires": 0})
    if told["keys"] != told["expires"]:
        raise BenchError(f"{told['keys'] - told['expires']} keys have no time to live")
    return int(told["keys"])


def _resident_mb() -> float:
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024
