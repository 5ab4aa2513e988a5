"""One bare connection to one server, and what is said over it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from serving.redis_clients import Sentinels, SentinelTlsConnection, TlsConnection
from serving.redis_location import Address, Location
from serving.redis_options import connection_options

Command = Sequence[str | int]

CONNECT_SECONDS = 1.0
"""For one attempt to connect, whoever waits for it."""


class Exchange:
    """A connection that is made when it is first used, and again after it broke. One exchange at a time.

    Bare rather than a client with a pool: batching needs only one, and it costs half the CPU of a client's pipeline
    for each exchange. It fails instead of retrying: a charge must not be sent twice, and a caller is waiting.

    To connect may take longer than a caller waits: names, Sentinels, TLS and a login are several round trips. So it
    goes on when the caller has gone, for the next one.
    """

    def __init__(self, connection: AbstractConnection, pool: ConnectionPool | None = None) -> None:
        """``pool``: what the connection came from, which knows its address. It is only kept."""
        self._connection, self._pool = connection, pool
        self._connecting: asyncio.Task[Exception | None] | None = None

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """Send all, then read a reply for each: a value, or the ResponseError that the server answered with.

        Raises ConnectionError, TimeoutError, OSError. After these, and when cut short, the connection is dropped: the
        next exchange must not read what is left of this one.
        """
        connection = self._connection
        if self._connecting is not None or not connection.is_connected:
            await self._connected()
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

    async def _connected(self) -> None:
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        failure = await asyncio.shield(self._connecting)
        if failure is not None:
            raise failure

    async def _connect(self) -> Exception | None:
        """What went wrong, if anything: perhaps nobody waits for it any more."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connection.connect()  # type: ignore[no-untyped-call]  # untyped; sending would not ask Sentinel where to
        except BaseException as error:
            await self._connection.disconnect(nowait=True)
            if isinstance(error, Exception):
                return error
            raise
        finally:
            self._connecting = None
        return None

    async def close(self) -> None:
        """Let go of the server."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._connection.disconnect()


def connect(location: Location, address: Address | None = None) -> Exchange:
    """An exchange with the server of ``location``; with the node of a Cluster at ``address``.

    Exchanges are bounded by whoever makes them. Behind Sentinel, every new connection goes to who is master then, and
    one that finds itself at a replica is dropped.
    """
    options = connection_options(location, CONNECT_SECONDS) | {
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if location.kind == "sentinel":
        if location.tls is not None:
            options["connection_class"] = SentinelTlsConnection
        pool = SentinelConnectionPool(location.service, Sentinels(location, CONNECT_SECONDS), **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
        return Exchange(connection, pool)
    if location.path is not None:
        return Exchange(UnixDomainSocketConnection(path=location.path, **options))
    host, port = address or location.addresses[0]
    kind = Connection if location.tls is None else TlsConnection
    return Exchange(kind(host=host, port=port, **options))
