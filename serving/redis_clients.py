"""Asynchronous clients of redis-py, however the Redis is run."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serving.redis_location import Location, parse
from serving.redis_options import connection_options, sentinel_options


class Sentinels(Sentinel):
    """Asks all Sentinels at once for the master: a frozen one must not hold up the answer of the next."""

    def __init__(self, location: Location, seconds: float) -> None:
        """``seconds`` bounds the question."""
        super().__init__(location.addresses, sentinel_kwargs=sentinel_options(location, seconds))  # type: ignore[no-untyped-call]  # untyped in redis-py

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Address of the master, from the first Sentinel that knows one. Raises MasterNotFoundError."""
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
        raise MasterNotFoundError("no Sentinel knows a master of this name")


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
        # as said: a Redis to whoever uses one slot at a time
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, ssl=secured, **options)  # type: ignore[return-value]
    if location.tls is not None:
        options["ssl"] = True
    if location.kind == "sentinel":
        return cast("Redis", Sentinels(location, seconds).master_for(location.service, **options))
    if location.path is not None:
        return Redis(unix_socket_path=location.path, **options)
    [(host, port)] = location.addresses
    return Redis(host=host, port=port, **options)
