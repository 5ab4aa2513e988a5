"""Opens what a worker counts with: Redis, the share that it falls back to, and the refusals it remembers."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from ratelimit_svc.denied import Denied
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis import longest_denial_ms, open_store
from ratelimit_svc.redis.cluster import ClusterStore
from ratelimit_svc.redis.node import Node
from ratelimit_svc.redis.poll import Watched, polled
from ratelimit_svc.redis.processes import Processes
from serving import redis_location
from serving.settings import Values


class Counters(NamedTuple):
    """What is open."""

    store: Node | ClusterStore
    fallback: Fallback
    denied: Denied


@contextlib.asynccontextmanager
async def open_counters(
    values: Values, gateway: Callable[[], str | None], watched: Callable[[Denied], Sequence[Watched]] = lambda _: ()
) -> AsyncIterator[Counters]:
    """Counters for as long as the block lasts, in the Redis that the settings name.

    Processes that tell the same ``gateway`` share its limits; None: not known yet. What is ``watched`` is asked of
    Redis together with them.
    """
    location, capacity = redis_location.parse(values["redis_url"]), values["fallback_counters"]
    denied = Denied(values["denied_calls"], lambda: time.monotonic_ns() // 1_000_000, longest_denial_ms(location))
    processes = Processes(values["workers"], denied.forget)
    fallback = Fallback(LocalStore(capacity), capacity, lambda: processes.count)
    store = open_store(location, values["store_deadline"], fallback, denied.forget)
    await store.start()
    try:
        async with polled(store, gateway, [processes, *watched(denied)]):
            yield Counters(store, fallback, denied)
    finally:
        await store.close()
