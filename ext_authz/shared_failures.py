"""Failed authentications that all replicas know of: a report to Redis twice a second, never on a request's way.

One script adds what failed here and returns what is blocked anywhere, by Redis's own clock. Redis holds two sorted
sets for a gateway, bounded in size, which expire by themselves. While it is away every process goes on with what it
counts itself.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

from redis.asyncio import Redis

from ext_authz.policy import Policy, Throttling
from ext_authz.throttle import BLOCKED_CAPACITY, Throttle
from serving.policies import PolicyBook

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.5
DEADLINE_SECONDS = 0.2
FAILURES_CAPACITY = 100_000
"""Subjects counted in Redis; about 100 bytes each."""
ALL_AGAIN = 60
"""Every so many reports all blocks are read, not only new ones: Redis's clock may have been set back."""


def redis_keys(gateway: str) -> tuple[str, str]:
    """Names of the two sorted sets: failures and blocks. The braces pin them to one cluster slot."""
    return f"gatectl:{{{gateway}}}:failures", f"gatectl:{{{gateway}}}:blocks"


class SharedFailures:
    """Keeps a throttle and Redis in step."""

    def __init__(self, redis: Redis, throttle: Throttle) -> None:
        self._throttle = throttle
        self._script = redis.register_script((files("ext_authz") / "shared_failures.lua").read_text())
        self._away = False
        self._known_until = 0.0
        self._exchanges = 0

    async def follow(self, policies: PolicyBook[Policy]) -> None:
        """Report and learn until cancelled."""
        while True:
            policy = policies.current
            if policy is not None and policy.throttling is not None:
                await self.exchange(policy.gateway, policy.throttling)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def exchange(self, gateway: str, limits: Throttling) -> None:
        """Report and learn once. Never raises: without Redis the report waits."""
        report = self._throttle.take_report()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._exchange(gateway, limits, report)
        except Exception as error:  # noqa: BLE001 - whatever Redis does, the next report must take place
            self._throttle.give_back(report)
            if not self._away:
                log.error("failures are counted by each process alone", extra={"error": type(error).__name__})
            self._away, self._known_until = True, 0
            return
        if self._away:
            log.info("failures are shared again")
        self._away = False

    async def _exchange(self, gateway: str, limits: Throttling, report: dict[tuple[str, str], int]) -> None:
        self._exchanges += 1
        if self._exchanges % ALL_AGAIN == 0:
            self._known_until = 0
        told = [part for (kind, subject), count in report.items() for part in (f"{kind} {subject}", count)]
        now_us, counts, found = await self._script(
            keys=redis_keys(gateway),
            args=[
                limits.window_ms,
                limits.block_ms,
                limits.refuse_after,
                FAILURES_CAPACITY,
                2 * BLOCKED_CAPACITY,  # addresses and key ids
                f"{self._known_until:.0f}",
                *told,
            ],
        )
        ends = [float(end) for end in found[1::2]]
        blocks = {_subject(name): (end - float(now_us)) / 1e6 for name, end in zip(found[::2], ends, strict=True)}
        self._known_until = max([self._known_until, *ends])
        self._throttle.learn(dict(zip(report, counts, strict=True)), blocks, time.monotonic())


def _subject(name: bytes) -> tuple[str, str]:
    kind, _, subject = name.decode().partition(" ")
    return kind, subject


@asynccontextmanager
async def share_failures(redis: Redis, policies: PolicyBook[Policy]) -> AsyncIterator[Throttle]:
    """A throttle that is kept in step with the other replicas for as long as the block lasts."""
    throttle = Throttle()
    task = asyncio.create_task(SharedFailures(redis, throttle).follow(policies))
    try:
        yield throttle
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
