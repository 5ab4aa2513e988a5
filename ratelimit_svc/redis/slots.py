"""Which node of a Cluster has which slot."""

import asyncio
import itertools
import random
from collections.abc import Iterable, Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from ratelimit_svc.redis.exchange import connect
from serving.redis_location import Address, Location

SECONDS = 1.0
"""For one node's answer. Nobody waits for it: calls go by the table there is."""
AT_ONCE = 3
"""Nodes asked at the same time: one that is frozen holds nothing up, and a large Cluster is not flooded."""

Table = list[Address | None]
"""By slot; None where nobody serves it."""


def slot_of(key: str) -> int:
    """The slot of a key: of what is between its first braces."""
    return key_slot(key.encode())


def unserved() -> Table:
    """Nobody has anything, as far as is known."""
    return [None] * REDIS_CLUSTER_HASH_SLOTS


class Realm:
    """What a node has, by a table that is kept up to date by somebody else."""

    def __init__(self, table: Table, address: Address) -> None:
        self._table, self._address = table, address

    def has(self, slot: int) -> bool:
        """Whether the node has a slot."""
        return self._table[slot] == self._address

    def tag(self) -> str:
        """A hash tag whose slot the node has; any, when it has none."""
        return next((str(n) for n in range(4 * REDIS_CLUSTER_HASH_SLOTS) if self.has(slot_of(str(n)))), "probe")


async def ask_for_table(location: Location, known: Iterable[Address]) -> Table:
    """The table of the first node that answers, of those ``known`` and those in the URL. Raises ConnectionError."""
    addresses = list({*known, *location.addresses})
    random.shuffle(addresses)
    for some in itertools.zip_longest(*[iter(addresses)] * AT_ONCE):
        questions = [asyncio.create_task(_ask(location, address)) for address in some if address is not None]
        try:
            for answer in asyncio.as_completed(questions):
                try:
                    return await answer
                except (RedisError, OSError, TimeoutError, ValueError):
                    continue
        finally:
            for question in questions:
                question.cancel()
            await asyncio.gather(*questions, return_exceptions=True)
    raise ConnectionError("no node of the Cluster tells who has which slot")


async def _ask(location: Location, address: Address) -> Table:
    exchange = connect(location, address)
    try:
        async with asyncio.timeout(SECONDS):
            [reply] = await exchange([("CLUSTER", "SLOTS")])
    finally:
        await exchange.close()
    if isinstance(reply, Exception):  # not a Cluster, or not allowed
        raise reply
    return read(reply, address)


def read(reply: Sequence[Sequence[Any]], asked: Address) -> Table:
    """The reply to CLUSTER SLOTS. A node that does not know its own name is where it was asked.

    Raises ValueError for a reply that makes no table.
    """
    table = unserved()
    for first, last, (host, port, *_), *_ in reply:
        known = (host or b"").decode()
        address = (known if known not in {"", "?"} else asked[0], int(port))
        if not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
            raise ValueError("a slot out of range")
        table[first : last + 1] = [address] * (last + 1 - first)
    return table
