"""What a process wants to know from Redis all the time, in one round trip for everything."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from ratelimit_svc.keys import polled_key
from ratelimit_svc.redis.cluster import ClusterStore
from ratelimit_svc.redis.exchange import Command
from ratelimit_svc.redis.node import Node
from ratelimit_svc.store import StoreUnavailableError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5


class Watched(Protocol):
    """Something that is asked again and again."""

    def command(self, gateway: str) -> Command:
        """The question; its keys are ``polled_key(gateway, …)``."""

    def learn(self, reply: Any) -> None:
        """The answer; never an error."""


@contextlib.asynccontextmanager
async def polled(
    store: Node | ClusterStore, gateway: Callable[[], str | None], watched: Sequence[Watched]
) -> AsyncIterator[None]:
    """Poll for as long as the block lasts; ``gateway`` None: there is nothing to ask about yet."""
    task = asyncio.create_task(_poll(store, gateway, watched))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _poll(store: Node | ClusterStore, gateway: Callable[[], str | None], watched: Sequence[Watched]) -> None:
    while True:
        name = gateway()
        if name is not None:
            try:
                await poll(store, name, watched)
            except StoreUnavailableError:
                pass  # the breaker has said so
            except Exception:
                log.exception("polling Redis")
        await asyncio.sleep(POLL_SECONDS)


async def poll(store: Node | ClusterStore, gateway: str, watched: Sequence[Watched]) -> None:
    """Ask everything once, and pay what single failed calls have left owing. Raises StoreUnavailableError."""
    replies = await store.ask([each.command(gateway) for each in watched], polled_key(gateway, "")) if watched else []
    for each, reply in zip(watched, replies, strict=True):
        if isinstance(reply, Exception):
            log.warning("Redis refuses what is polled", extra={"error": type(reply).__name__})
        else:
            each.learn(reply)
    await store.settle()
