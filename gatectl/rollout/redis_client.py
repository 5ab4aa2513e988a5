"""A client of redis-py for a command, however the Redis is run."""

from typing import Any, cast

import redis
from redis.cluster import ClusterNode

from serving.redis_location import Location
from serving.redis_options import connection_options, sentinel_options


def client(location: Location, seconds: float, **options: Any) -> redis.Redis:
    """A client that speaks text; ``seconds`` bounds the attempt to connect, ``options`` are redis-py's.

    A Cluster's has the same methods, for commands whose keys share a slot; it connects at once, the others on first
    use. Raises redis.RedisError.
    """
    options = connection_options(location, seconds) | {"decode_responses": True} | options
    secured = location.tls is not None
    if location.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in location.addresses]  # type: ignore[no-untyped-call]  # untyped
        cluster = redis.RedisCluster(startup_nodes=nodes, require_full_coverage=False, ssl=secured, **options)
        return cast("redis.Redis", cluster)
    if location.kind == "sentinel":
        asked = sentinel_options(location, seconds)
        sentinels = redis.Sentinel(location.addresses, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]  # untyped in redis-py
        return cast("redis.Redis", sentinels.master_for(location.service, ssl=secured, **options))  # type: ignore[no-untyped-call]  # as above
    if location.path is not None:
        return redis.Redis(unix_socket_path=location.path, **options)
    [(host, port)] = location.addresses
    return redis.Redis(host=host, port=port, ssl=secured, **options)
