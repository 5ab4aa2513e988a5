"""Counters in Redis, however it is run: one server, Sentinel or Cluster, over TCP, TLS or a Unix socket."""

from ratelimit_svc.redis.cluster import ClusterStore
from ratelimit_svc.redis.exchange import connect
from ratelimit_svc.redis.node import Debts, Node
from serving.redis_location import parse


def open_store(url: str, deadline: float, debts: Debts) -> Node | ClusterStore:
    """The store at a URL of :mod:`serving.redis_location`, not started yet. ``deadline`` in seconds, for every call."""
    location = parse(url)
    if location.kind == "cluster":
        return ClusterStore(location, deadline, debts)
    return Node(connect(location, deadline), deadline, debts)
