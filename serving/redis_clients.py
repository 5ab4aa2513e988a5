"""Asynchronous clients of redis-py, however the Redis is run."""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import RedisSSLContext, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelManagedSSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serving.redis_location import Location, parse
from serving.redis_options import connection_options, sentinel_options
from serving.redis_tls import tls_context


class _Context(RedisSSLContext):
    """Ours in place of redis-py's."""

    def get(self) -> ssl.SSLContext:
        """Asked for at every attempt to connect."""
        return tls_context(self.ca_certs, self.certfile, self.keyfile, self.check_hostname)


class TlsConnection(SSLConnection):
    """A connection whose TLS is that of :mod:`serving.redis_tls`."""

    def __init__(self, **options: Any) -> None:
        """``options`` are redis-py's."""
        super().__init__(**options)
        self.ssl_context = _Context(
            keyfile=self.keyfile,
            certfile=self.certfile,
            ca_certs=self.ca_certs,
            check_hostname=self.check_hostname,
            cert_reqs=self.cert_reqs,
        )


class SentinelTlsConnection(SentinelManagedSSLConnection, TlsConnection):
    """The same, to the master that Sentinel names."""


class Sentinels(Sentinel):
    """Asks all Sentinels at once for the master: a frozen one must not hold up the answer of the next.

    It is asked for new connections only, so nothing is kept open to a Sentinel.
    """

    def __init__(self, location: Location, seconds: float) -> None:
        """``seconds`` bounds the question."""
        super().__init__(location.addresses, sentinel_kwargs=sentinel_options(location, seconds))  # type: ignore[no-untyped-call]  # untyped in redis-py
        self._one_at_a_time = asyncio.Lock()
        if location.tls is not None:
            for one in self.sentinels:
                one.connection_pool.connection_class = TlsConnection

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Address of the master, from the first Sentinel that knows one. Raises MasterNotFoundError."""
        async with self._one_at_a_time:  # each lets go of the connections of all
            return await self._ask(service_name)

    async def _ask(self, service_name: str) -> tuple[str, int]:
        questions = [asyncio.ensure_future(cast("Awaitable[Any]", one.sentinel_masters())) for one in self.sentinels]
        try:
            for answer in asyncio.as_completed(questions):
                try:
                    state = (await answer).get(service_name)
                except (RedisError, OSError):
                    continue
                if state and self.check_master_state(state, service_name):
                    return str(state["ip"]), int(state["port"])
        finally:
            for question in questions:
                question.cancel()
            await asyncio.gather(*questions, return_exceptions=True)
            await asyncio.gather(*(one.connection_pool.disconnect() for one in self.sentinels))
        raise MasterNotFoundError("no Sentinel knows a master of this name")


class FoundCluster(RedisCluster):
    """To find all nodes may take longer than a caller waits. So it goes on when he has gone, for the next one."""

    _finding: asyncio.Task[Exception | None] | None = None

    async def initialize(self, *known: Any, **told: Any) -> "FoundCluster":
        """Called by whoever finds it not done yet. Raises RedisError."""
        if self._finding is None:
            self._finding = asyncio.create_task(self._find(known, told))
        failure = await asyncio.shield(self._finding)
        if failure is not None:
            raise failure
        return self

    async def _find(self, known: tuple[Any, ...], told: dict[str, Any]) -> Exception | None:
        try:
            await super().initialize(*known, **told)
        except Exception as error:  # noqa: BLE001 - perhaps nobody waits for it any more
            return error
        finally:
            self._finding = None
        return None


def client(url: str, seconds: float) -> Redis:
    """A client of a URL of :mod:`serving.redis_location`; ``seconds`` bounds connecting and every answer.

    It tries once more, no matter what: a pooled connection may have died with the previous Redis. Connects on first
    use. A Cluster's client has the same methods, and is given to whoever uses one slot at a time.
    """
    location = parse(url)
    options = connection_options(location, seconds) | {"socket_timeout": seconds, "retry": Retry(NoBackoff(), 1)}
    if location.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in location.addresses]
        secured = location.tls is not None
        cluster = FoundCluster(startup_nodes=nodes, require_full_coverage=False, ssl=secured, **options)
        if secured:
            cluster.nodes_manager.connection_kwargs["connection_class"] = TlsConnection
            for node in cluster.nodes_manager.startup_nodes.values():
                node.connection_class = TlsConnection
        return cluster  # type: ignore[return-value]  # as said: a Redis to whoever uses one slot at a time
    if location.kind == "sentinel":
        if location.tls is not None:
            options["connection_class"] = SentinelTlsConnection
        return cast("Redis", Sentinels(location, seconds).master_for(location.service, **options))
    if location.path is not None:
        return Redis(unix_socket_path=location.path, **options)
    [(host, port)] = location.addresses
    if location.tls is None:
        return Redis(host=host, port=port, **options)
    secure = Redis(host=host, port=port, ssl=True, **options)
    secure.connection_pool.connection_class = TlsConnection
    return secure
