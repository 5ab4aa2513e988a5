"""What a worker process counts with: Redis, the memory of what it refused, and the fallback while it is away."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from ratelimit_svc.denied import Denied, DeniedFirst
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis import longest_denial_ms, open_store
from ratelimit_svc.redis.poll import polled
from ratelimit_svc.redis.processes import Processes
from ratelimit_svc.store import Store
from serving import redis_location
from serving.settings import Values


class Counters(NamedTuple):
    """``store`` decides; ``fallback`` does while it raises StoreUnavailableError."""

    store: Store
    fallback: Store


@contextlib.asynccontextmanager
async def open_counters(values: Values, gateway: Callable[[], str | None]) -> AsyncIterator[Counters]:
    """The counters of one process for as long as the block lasts.

    ``gateway``: processes that name the same one share its limits; None: it is not known yet.
    """
    location, capacity = redis_location.parse(values["redis_url"]), values["fallback_counters"]
    denied = Denied(values["denied_calls"], lambda: time.monotonic_ns() // 1_000_000, longest_denial_ms(location))
    processes = Processes(values["workers"], denied.forget)
    fallback = Fallback(LocalStore(capacity), capacity, lambda: processes.count)
    store = open_store(location, values["store_deadline"], fallback, denied.forget)
    try:
        await store.start()
        async with polled(store, gateway, [processes]):
            yield Counters(DeniedFirst(store, denied), fallback)
    finally:
        await store.close()
