"""Counters in Redis, however it is run: one server, Sentinel or Cluster, over TCP, TLS or a Unix socket."""

from collections.abc import Callable

from ratelimit_svc import telemetry
from ratelimit_svc.redis.cluster import ClusterStore
from ratelimit_svc.redis.exchange import connect
from ratelimit_svc.redis.node import Debts, Node
from serving.redis_location import Location

MOMENT_MS = 1000
"""Longer than a call in a Cluster takes to give back what it took for nothing."""


def open_store(
    location: Location, deadline: float, debts: Debts, on_return: Callable[[], None] = lambda: None
) -> Node | ClusterStore:
    """The store at ``location``, not started yet. ``deadline`` in seconds, for every call.

    ``debts`` are paid to a server that comes back, and ``on_return`` is called then.
    """
    if location.kind == "cluster":
        return ClusterStore(location, deadline, debts, on_return)

    def on_change(up: bool) -> None:
        telemetry.STORE_UP.set(up)
        if up:
            on_return()

    return Node(connect(location), deadline, debts, on_change)


def longest_denial_ms(location: Location) -> int | None:
    """How long a refusal is believed at most, see :mod:`ratelimit_svc.denied`; None: until its reset."""
    return MOMENT_MS if location.kind == "cluster" else None
