"""Counters in a Redis Cluster.

The keys of one caller of one limit share a slot (``keys.counter_keys``), and in a slot a call is decided atomically by
one script. A call about several limits takes in all their slots at once; when one refuses, what the others took is
given back. So it never admits more than any limit allows. Between taking and giving back, and for the rest of the
window when the node goes away in between, another call may be refused although there would have been room.

Every node has its own connection and its own breaker: while one is away, limits on the others are exact as ever.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from ratelimit_svc import telemetry
from ratelimit_svc.redis import script, slots
from ratelimit_svc.redis.exchange import Command, connect
from ratelimit_svc.redis.node import Debts, Node
from ratelimit_svc.store import Charge, StoreUnavailableError, Verdict, fits
from serving.redis_location import Address, Location

log = logging.getLogger(__name__)

REDIRECTIONS = 4
"""How often one question is sent on, at most: there and back again while a slot moves, twice."""
PAUSE_SECONDS = 0.25
"""Between two questions after the table of slots."""


class ClusterStore:
    """A :class:`ratelimit_svc.store.Store` on a Redis Cluster. ``deadline`` and ``debts`` are those of its nodes."""

    def __init__(
        self, location: Location, deadline: float, debts: Debts, on_return: Callable[[], None] = lambda: None
    ) -> None:
        self._on_return = on_return
        self._location, self._deadline, self._debts = location, deadline, debts
        self._nodes: dict[Address, Node] = {}
        self._table = slots.unserved()
        self._outdated = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Find the nodes, so that the first call need not."""
        self._measure()
        try:
            await self._look()
        except (OSError, ResponseError) as error:
            log.error("the store is away", extra={"error": type(error).__name__})
            self._outdated.set()
        self._follower = asyncio.create_task(self._follow())

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then charge as their modes say. Raises StoreUnavailableError within the deadline."""
        due = asyncio.get_running_loop().time() + self._deadline
        groups: dict[int, list[int]] = {}
        for index, charge in enumerate(charges):
            groups.setdefault(slots.slot_of(charge.key), []).append(index)
        if len(groups) > 1:
            return await self._everywhere(charges, groups.values(), due)
        return await self._in_slot(charges, due)

    async def _in_slot(self, charges: Sequence[Charge], due: float) -> Verdict:
        """A call whose keys share a slot; ``due`` is the event loop's time."""
        if not charges:
            return Verdict(allowed=True, now_ms=0, readings=())
        [reply] = await self._ask([script.command(charges)], charges[0].key, due)
        if isinstance(reply, TryAgainError) and len({charge.key for charge in charges}) > 1:
            # the slot is on its way, some of the keys are there and some are not: each is in one place, at least
            return await self._everywhere(charges, [[index] for index in range(len(charges))], due)
        if isinstance(reply, Exception):
            raise StoreUnavailableError(type(reply).__name__) from reply
        return script.verdict(reply)

    async def _everywhere(self, charges: Sequence[Charge], groups: Iterable[Sequence[int]], due: float) -> Verdict:
        """Take in every group at once; give back if any refuses."""
        groups = list(groups)
        parts = [[charges[index] for index in group] for group in groups]
        answers = await asyncio.gather(*(self._in_slot(part, due) for part in parts), return_exceptions=True)
        failure = next((answer for answer in answers if isinstance(answer, BaseException)), None)
        verdicts = [answer for answer in answers if isinstance(answer, Verdict)]
        allowed = failure is None and all(verdict.allowed for verdict in verdicts)
        if not allowed:
            await self._give_back([_undone(*pair) for pair in zip(parts, answers, strict=True)], due)
        if failure is not None:
            raise failure
        order = itertools.chain.from_iterable(groups)
        readings = itertools.chain.from_iterable(verdict.readings for verdict in verdicts)
        found = dict(zip(order, readings, strict=True))
        now_ms = max(verdict.now_ms for verdict in verdicts)
        return Verdict(allowed, now_ms, tuple(found[index] for index in range(len(charges))))

    async def _give_back(self, parts: Iterable[Sequence[Charge]], due: float) -> None:
        """Return when it is done, or due; then it is done in the background.

        Whoever does not take it back counts too much, never too little.
        """
        loop = asyncio.get_running_loop()
        later = loop.time() + self._deadline
        tasks = {asyncio.create_task(self._return(part, later)) for part in parts if part}
        for task in tasks:
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, due - loop.time()))

    async def _return(self, part: Sequence[Charge], due: float) -> None:
        with contextlib.suppress(StoreUnavailableError):
            await self._in_slot(part, due)

    async def ask(self, commands: Sequence[Command], key: str) -> list[Any]:
        """A reply for each command, from who has the slot of ``key``. Raises StoreUnavailableError in time."""
        return await self._ask(commands, key, asyncio.get_running_loop().time() + self._deadline)

    async def _ask(self, commands: Sequence[Command], key: str, due: float) -> list[Any]:
        try:
            async with asyncio.timeout_at(due):
                return await self._follow_slot(commands, key)
        except TimeoutError:
            raise StoreUnavailableError("sent on for too long") from None

    async def _follow_slot(self, commands: Sequence[Command], key: str) -> list[Any]:
        slot, asking = slots.slot_of(key), False
        address = self._table[slot]
        replies: list[Any] = []
        for _ in range(1 + REDIRECTIONS):
            if address is None:
                self._outdated.set()
                raise StoreUnavailableError("no node has the slot")
            replies = await self._node(address).ask(commands, asking=asking)
            sent_on = next((reply for reply in replies if isinstance(reply, AskError)), None)
            if sent_on is None:
                break
            address = (sent_on.host or address[0], int(sent_on.port))  # without a host: the one that was asked
            asking = not isinstance(sent_on, MovedError)
            if not asking:
                self._table[slot] = address
                self._outdated.set()
        if any(isinstance(reply, ClusterDownError) for reply in replies):
            self._outdated.set()
        return replies

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            exchange = connect(self._location, address)
            realm = slots.Realm(self._table, address)
            node = self._nodes[address] = Node(exchange, self._deadline, self._debts, self._report, realm)
        return node

    def _report(self, up: bool) -> None:
        """A node has come or gone."""
        if up:
            self._on_return()
        self._measure()

    def _measure(self) -> None:
        """Up: every slot is served, as far as is known."""
        well = None not in self._table and all(node.breaker.closed for node in self._nodes.values())
        telemetry.STORE_UP.set(well)
        if not well:
            self._outdated.set()

    async def _follow(self) -> None:
        """Keep the table right: it is looked at again whenever something does not fit it."""
        while True:
            await self._outdated.wait()
            self._outdated.clear()
            try:
                await self._look()
            except (OSError, ResponseError) as error:
                log.debug("the nodes of the Cluster are not known", extra={"error": type(error).__name__})
                self._outdated.set()
            await asyncio.sleep(PAUSE_SECONDS)
            self._measure()

    async def _look(self) -> None:
        table = await slots.ask_for_table(self._location, self._nodes)
        new = {address for address, known in zip(table, self._table, strict=True) if address and address != known}
        # who takes over is paid before anybody is sent there; what cannot be paid yet stays owed
        payments = (self._node(address).settle(slots.Realm(table, address).has) for address in new)
        await asyncio.gather(*payments, return_exceptions=True)
        self._table[:] = table
        there = {address for address in table if address is not None}
        for address in there:
            self._node(address)
        for address in self._nodes.keys() - there:
            task = asyncio.create_task(self._leave(self._nodes.pop(address)))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _leave(self, node: Node) -> None:
        """Close a node that has no slot any more, when those who wait for it have waited enough."""
        try:
            await asyncio.sleep(2 * self._deadline)
        finally:
            await node.close()

    async def settle(self) -> None:
        """Pay what is owed to the nodes that are well."""
        await asyncio.gather(*(node.settle() for node in list(self._nodes.values()) if node.breaker.closed))

    async def close(self) -> None:
        """Let go of all nodes."""
        for task in (self._follower, *self._background):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for node in self._nodes.values():
            await node.close()


def _undone(part: Sequence[Charge], answer: Verdict | BaseException) -> list[Charge]:
    """What gives back the charges of a part that was made for a call that was then refused."""
    if isinstance(answer, BaseException) or not answer.allowed:
        return []
    return [
        charge._replace(mode="give_back")
        for charge, reading in zip(part, answer.readings, strict=True)
        if charge.hits and (charge.mode == "take" or (charge.mode == "shadow" and fits(charge.hits, reading.room)))
    ]
