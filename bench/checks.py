"""What one Check of ext_authz costs, by how the caller proves who it is.

The service as it runs in a worker, called with the bytes of a CheckRequest instead of through gRPC, so that a figure
is the decision alone. A policy of 1000 routes is warm, and a real Redis holds 100,000 keys.
"""

import asyncio
import gc
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy.service.auth.v3 import external_auth_pb2

from bench import world
from bench.processes import redis_url
from bench.report import Cost
from bench.wrk import BenchError
from ext_authz.server import WORKER
from ext_authz.settings import SETTINGS
from serving import settings
from serving.policies import PolicyBook

CALLS = 2_000
"""Of one kind in one round."""
ALLOWED, REFUSED = 0, 16
"""google.rpc.Code of the answer."""

Check = Callable[[bytes, Any], Awaitable[bytes]]


def measure(rounds: int, say: Callable[[str], None], *, keys: int = world.KEYS, calls: int = CALLS) -> list[Cost]:
    """Measure every kind of check ``rounds`` times, in turn. Raises BenchError when one is answered amiss."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, redis_url(Path(directory)) as url:
        say(f"a policy of {world.ROUTES} routes and {keys:,} keys in Redis")
        made = world.build(Path(directory), url, keys)
        return asyncio.run(_measure(Path(directory), url, made, rounds, calls, say))


async def _measure(
    directory: Path, url: str, made: world.World, rounds: int, calls: int, say: Callable[[str], None]
) -> list[Cost]:
    values = settings.read(
        "ext-authz", (*settings.SERVING, *SETTINGS), ["--state-dir", str(directory), "--redis-url", url], {}
    )
    book = PolicyBook(directory, WORKER.policy_file, WORKER.load_policy)
    book.refresh()
    figures: dict[str, list[float]] = {}
    async with WORKER.opened(values, book) as register:
        catcher = _Catcher()
        register(catcher)
        for number in range(rounds + 1):
            say(f"checks, round {number} of {rounds}" if number else "checks, warm-up")
            for kind in made.kinds:
                figure = await _round(catcher.check, kind, calls)
                if number:
                    figures.setdefault(kind.name, []).append(figure)
    return [Cost(name, tuple(rounds_of)) for name, rounds_of in figures.items()]


async def _round(check: Check, kind: world.Kind, calls: int) -> float:
    requests = list(itertools.islice(kind.requests(), min(kind.calls or calls, calls)))
    gc.collect()
    started = time.process_time()
    answers = [await check(request, None) for request in requests]
    spent = time.process_time() - started
    wanted = ALLOWED if kind.allowed else REFUSED
    for answer in answers:
        code = external_auth_pb2.CheckResponse.FromString(answer).status.code
        if code != wanted:
            raise BenchError(f"{kind.name}: a check was answered with {code}, not {wanted}")
    return spent / len(requests) * 1e6


class _Catcher:
    """Stands in for a gRPC server while the service registers: keeps the handler of Check."""

    check: Check

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """As grpc.Server has it."""
        [handler] = handlers
        method = handler.service(_Details(f"/{WORKER.grpc_service}/Check"))
        self.check = method.unary_unary


@dataclass(frozen=True)
class _Details:
    method: str
    invocation_metadata: tuple[()] = ()
