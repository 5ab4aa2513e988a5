"""What a decision of ratelimit_svc takes, by algorithm, with and without batching.

The limiter as it runs in a worker, called with descriptors instead of through gRPC, on a real Redis of its own.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import quantiles

from bench.processes import redis_url
from bench.report import Decisions
from bench.wrk import BenchError, Measurement
from ratelimit_svc import policy
from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Algorithm, Limit, Policy, Rate
from ratelimit_svc.redis import open_store
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import Charge, Store, Verdict
from serving import redis_location
from serving.policies import PolicyBook

CALLERS = 64
"""At once."""
USERS = 500
CALLS = 1_200
"""Of one algorithm in one round."""
ROUNDS = 3
GATEWAY = "bench"
HOUR_MS = 3_600_000
DEADLINE_SECONDS = 5.0


class OneByOne:
    """A :class:`ratelimit_svc.store.Store` that asks another about one call at a time: a round trip for each."""

    def __init__(self, store: Store) -> None:
        self._store, self._turn = store, asyncio.Lock()

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """As the other says."""
        async with self._turn:
            return await self._store.decide(charges)


def measure(say: Callable[[str], None], *, rounds: int = ROUNDS, calls: int = CALLS) -> list[Decisions]:
    """Measure every algorithm ``rounds`` times, in turn. Raises BenchError when a call is refused."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, redis_url(Path(directory)) as url:
        return asyncio.run(_measure(Path(directory), url, rounds, calls, say))


async def _measure(directory: Path, url: str, rounds: int, calls: int, say: Callable[[str], None]) -> list[Decisions]:
    (directory / "current").mkdir()
    limits = {name: _limit(name) for name in ALGORITHMS}
    document = Policy(revision=GATEWAY, gateway=GATEWAY, limits=limits).model_dump_json()
    (directory / "current" / "limits.json").write_text(document)
    book = PolicyBook(directory, "limits.json", policy.load)
    book.refresh()
    nothing = LocalStore(1)
    store = open_store(redis_location.parse(url), DEADLINE_SECONDS, Fallback(nothing, 1, lambda: 1))
    await store.start()
    ways = [Limiter(book, store, nothing), Limiter(book, OneByOne(store), nothing)]
    figures: dict[Algorithm, tuple[list[Measurement], list[Measurement]]] = {name: ([], []) for name in ALGORITHMS}
    try:
        for number in range(rounds + 1):
            say(f"limits, round {number} of {rounds}" if number else "limits, warm-up")
            for name, measured in figures.items():
                for limiter, into in zip(ways, measured, strict=True):
                    figure = await _round(limiter, _calls(name), calls if number else calls // 4)
                    if number:
                        into.append(figure)
    finally:
        await store.close()
    return [Decisions(name, tuple(together), tuple(alone)) for name, (together, alone) in figures.items()]


def _limit(name: Algorithm) -> Limit:
    """A limit that nobody meets."""
    burst = policy.LONGEST_LOG if name in policy.BUCKETS else None
    period: policy.Period | None = "day" if name == "quota" else None
    rate = Rate(requests=policy.LONGEST_LOG, window_ms=HOUR_MS, burst=burst, period=period)
    return Limit(algorithm=name, rates=(rate,), per=("user",))


def _calls(name: Algorithm) -> Iterator[Descriptor]:
    """Endless calls of many users in turn; of requests at a time the beginning, and the end soon after it."""
    for number in itertools.count():
        entries = (("limit", name), ("revision", GATEWAY), ("user", f"user:{number % USERS}"))
        if name != "concurrency":
            yield Descriptor(entries, 1)
            continue
        lease = ("lease", f"{time.monotonic_ns()}")
        yield Descriptor((*entries, lease), 1)
        yield Descriptor((*entries, lease), 1, give_back=True)


async def _round(limiter: Limiter, descriptors: Iterator[Descriptor], calls: int) -> Measurement:
    asked = itertools.islice(descriptors, calls)
    took: list[float] = []

    async def caller() -> None:
        for descriptor in asked:  # shared: whoever is free takes the next
            started = time.perf_counter()
            decision = await limiter.decide(GATEWAY, [descriptor])
            took.append(time.perf_counter() - started)
            if decision.outcome != "ok":
                raise BenchError(f"a call was answered with {decision.outcome}")

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    spent = time.perf_counter() - started
    percentiles = quantiles(took, n=100)
    return Measurement(len(took), len(took) / spent, percentiles[49] * 1000, percentiles[98] * 1000)
