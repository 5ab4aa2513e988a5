"""One bare connection to one server, and what is said over it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from serving.redis_clients import Sentinels
from serving.redis_location import Address, Location
from serving.redis_options import connection_options

Command = Sequence[str | int]


class Exchange:
    """A connection that is made when it is first used, and again after it broke. One exchange at a time.

    Bare rather than a client with a pool: batching needs only one, and it costs half the CPU of a client's pipeline
    for each exchange. It fails instead of retrying: a charge must not be sent twice, and a caller is waiting.
    """

    def __init__(self, connection: AbstractConnection, release: Callable[[], Awaitable[None]] | None = None) -> None:
        """``release`` lets go of whatever else the connection needs."""
        self._connection, self._release = connection, release

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
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

    async def close(self) -> None:
        """Let go of the server."""
        await self._connection.disconnect()
        if self._release is not None:
            await self._release()


def connect(location: Location, seconds: float, address: Address | None = None) -> Exchange:
    """An exchange with the server of ``location``; with the node of a Cluster at ``address``.

    ``seconds`` bounds the attempt to connect; exchanges are bounded by whoever makes them. Behind Sentinel, every new
    connection goes to who is master then, and one that finds itself at a replica is dropped.
    """
    options = connection_options(location, seconds) | {
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if location.kind == "sentinel":
        sentinels = Sentinels(location, seconds)
        secured = location.tls is not None
        pool = SentinelConnectionPool(location.service, sentinels, ssl=secured, **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py

        async def release() -> None:
            await pool.disconnect()  # the connection knows its pool by a weak reference: this keeps it
            await sentinels.aclose()

        return Exchange(connection, release)
    if location.path is not None:
        return Exchange(UnixDomainSocketConnection(path=location.path, **options))
    host, port = address or location.addresses[0]
    kind = Connection if location.tls is None else SSLConnection
    return Exchange(kind(host=host, port=port, **options))
