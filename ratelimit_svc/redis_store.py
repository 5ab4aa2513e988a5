"""Counters in Redis (or Valkey): one Lua script per call, concurrent calls in one round trip.

The script checks and charges atomically, so the number admitted is exact however many replicas share the server.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ratelimit_svc import algorithms, telemetry
from ratelimit_svc.batching import Batcher
from ratelimit_svc.breaker import Breaker
from ratelimit_svc.store import Charge, Reading, StoreUnavailableError, Terms, Verdict

BATCH = 256
"""Calls in one pipeline at most: bounds how long one exchange keeps Redis from others."""

_PROBE = [Charge("gatectl:rl:{probe}", Terms("fixed_window", 2**53, 1000), 1)]
"""A probe charges: a server that cannot write (replica, out of memory) is not well."""


def connect(url: str, deadline: float) -> AbstractConnection:
    """One connection, made when it is first used and again after it broke.

    Bare rather than a client with a pool: batching needs only one, and it costs half the CPU of a client's pipeline
    for each exchange. It fails instead of retrying: a charge must not be sent twice, and a caller is waiting.
    ``deadline`` in seconds bounds the connection attempt; exchanges are bounded by the store.
    """
    pool = ConnectionPool.from_url(
        url, socket_timeout=None, socket_connect_timeout=deadline, retry=Retry(NoBackoff(), 0), protocol=2
    )
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
    return connection


class RedisStore:
    """A :class:`ratelimit_svc.store.Store` on a Redis server.

    ``deadline``: seconds after which a call gets StoreUnavailableError if Redis has not answered. After several
    failures in a row calls get it at once, until a probe in the background finds Redis well again.
    """

    def __init__(self, connection: AbstractConnection, deadline: float) -> None:
        self._connection = connection
        self._script = algorithms.script()
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._batcher: Batcher[Sequence[Charge], Verdict] = Batcher(self._round_trip, deadline, BATCH)
        self.breaker = Breaker(self._probe, telemetry.STORE_UP.set)

    async def start(self) -> None:
        """Find out whether Redis is well, so that the first call need not."""
        try:
            await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must start and keep trying
            self.breaker.open(error)

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then charge as their modes say. Raises StoreUnavailableError within the deadline."""
        if not self.breaker.closed:
            raise StoreUnavailableError("the breaker is open")
        try:
            return await self._batcher.submit(charges)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(type(error).__name__) from error

    async def _round_trip(self, batch: Sequence[Sequence[Charge]], due: float) -> Sequence[Verdict | Exception]:
        """One exchange, whose result the breaker learns."""
        telemetry.STORE_BATCH_CALLS.observe(len(batch))
        try:
            async with asyncio.timeout_at(due):
                replies = await self._evaluate_loaded(batch)
        except Exception as error:
            telemetry.STORE_ROUND_TRIPS.labels("error").inc()
            self.breaker.failed(error)
            raise
        answers = [reply if isinstance(reply, Exception) else _verdict(reply) for reply in replies]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if len(errors) == len(answers):  # it answers, but cannot do what it is asked: READONLY, OOM, LOADING
            telemetry.STORE_ROUND_TRIPS.labels("refused").inc()
            self.breaker.failed(errors[0])
        else:
            telemetry.STORE_ROUND_TRIPS.labels("ok").inc()
            self.breaker.succeeded()
        return answers

    async def _evaluate_loaded(self, batch: Sequence[Sequence[Charge]]) -> list[Any]:
        """The replies to a batch; loads the script first where the server does not have it."""
        replies = await self._evaluate(batch)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:  # Redis was restarted, or its script cache flushed; these calls were not executed
            await self._exchange([("SCRIPT", "LOAD", self._script)])
            again = await self._evaluate([batch[index] for index in missing])
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        return replies

    async def _evaluate(self, batch: Sequence[Sequence[Charge]]) -> list[Any]:
        commands = []
        for charges in batch:
            command: list[str | int] = ["EVALSHA", self._sha, len(charges)]
            command += [charge.key for charge in charges]
            for charge in charges:
                terms = charge.terms
                burst = -1 if terms.burst is None else terms.burst
                command += (terms.algorithm, charge.mode, charge.hits, terms.requests, terms.window_ms, burst)
                command.append("")
            commands.append(command)
        return await self._exchange(commands)

    async def _exchange(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send all, then read a reply for each: a value, or the ResponseError that the server answered with.

        Raises ConnectionError, OSError. After these, and when cut short, the connection is dropped: the next exchange
        must not read what is left of this one.
        """
        connection = self._connection
        replies: list[Any] = []
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return replies

    async def _probe(self) -> None:
        """Raises when Redis is not well. Goes through the batcher: the connection carries one exchange at a time."""
        await self._batcher.submit(_PROBE)

    async def close(self) -> None:
        """Let go of the server."""
        await self.breaker.close()
        await self._batcher.close()
        await self._connection.disconnect()


def _verdict(reply: Sequence[Any]) -> Verdict:
    """The reply of ``decide.lua`` in our terms."""
    allowed, now_ms, *counters = reply
    return Verdict(bool(allowed), now_ms, tuple(Reading(room, until_ms) for room, until_ms in counters))
