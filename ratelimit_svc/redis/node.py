"""Counters on one server, found directly or through Sentinel, or one node of a Cluster.

One Lua script per call checks and charges atomically, so the number admitted is exact however many processes share
the server. Concurrent calls go in one round trip, over one connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from redis.exceptions import AskError, NoScriptError, RedisError, TryAgainError

from ratelimit_svc import telemetry
from ratelimit_svc.batching import Batcher
from ratelimit_svc.breaker import Breaker
from ratelimit_svc.redis import script
from ratelimit_svc.redis.exchange import Command, Exchange
from ratelimit_svc.store import Charge, StoreUnavailableError, Verdict

BATCH = 256
"""Calls in one pipeline at most: bounds how long one exchange keeps Redis from others."""
ELSEWHERE = (AskError, TryAgainError)
"""Answers of a Cluster's node that is well: the slot is, or partly is, with another (MOVED is an AskError, too)."""


class _Question(NamedTuple):
    """Commands that go together; ``asking``: the slot is on its way to this node."""

    commands: Sequence[Command]
    asking: bool


class Debts(Protocol):
    """What was admitted while Redis was away, and is to be charged to it: ``ratelimit_svc.fallback.Fallback``."""

    def take(self, most: int, mine: Callable[[int], bool]) -> list[Charge]:
        """Up to ``most`` of the charges whose slots are ``mine``; who took them makes them or puts them back."""

    def put_back(self, charges: Sequence[Charge]) -> None:
        """They could not be made."""


class Realm(Protocol):
    """Which slots a server has."""

    def has(self, slot: int) -> bool:
        """Whether it has this one."""

    def tag(self) -> str:
        """A hash tag of its own, for the probe."""


class Everything:
    """The realm of a server that is not part of a Cluster."""

    def has(self, slot: int) -> bool:  # noqa: ARG002 - see Realm
        """Always."""
        return True

    def tag(self) -> str:
        """Any."""
        return "probe"


class Node:
    """A :class:`ratelimit_svc.store.Store` on one server.

    ``deadline``: seconds after which a call gets StoreUnavailableError if Redis has not answered. After several
    failures in a row calls get it at once, until a probe in the background finds Redis well again and has paid the
    ``debts``. ``realm``: which slots are here.
    """

    def __init__(
        self,
        exchange: Exchange,
        deadline: float,
        debts: Debts,
        on_change: Callable[[bool], None],
        realm: Realm = Everything(),
    ) -> None:
        self._exchange, self._debts, self._realm = exchange, debts, realm
        self._batcher: Batcher[_Question, list[Any]] = Batcher(self._round_trip, deadline, BATCH)
        self.breaker = Breaker(self._return, on_change)

    async def start(self) -> None:
        """Find out whether Redis is well, so that the first call need not."""
        try:
            await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must start and keep trying
            self.breaker.open(error)

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """Check all, then charge as their modes say. Raises StoreUnavailableError within the deadline."""
        [reply] = await self.ask([script.command(charges)])
        if isinstance(reply, Exception):
            raise StoreUnavailableError(type(reply).__name__) from reply
        return script.verdict(reply)

    async def ask(self, commands: Sequence[Command], key: str = "", *, asking: bool = False) -> list[Any]:  # noqa: ARG002 - a Cluster needs ``key``
        """A reply for each command: a value, or the ResponseError it was answered with.

        Raises StoreUnavailableError within the deadline.
        """
        if not self.breaker.closed:
            raise StoreUnavailableError("the breaker is open")
        return await self._submit(_Question(commands, asking))

    async def _submit(self, question: _Question) -> list[Any]:
        try:
            return await self._batcher.submit(question)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(type(error).__name__) from error

    async def _round_trip(self, batch: Sequence[_Question], due: float) -> Sequence[list[Any]]:
        """One exchange, whose result the breaker learns."""
        telemetry.STORE_BATCH_CALLS.observe(len(batch))
        try:
            async with asyncio.timeout_at(due):
                replies = await self._ask_loaded(batch)
        except Exception as error:
            telemetry.STORE_ROUND_TRIPS.labels("error").inc()
            self.breaker.failed(error)
            raise
        refusals = [answer[-1] for answer in replies if _refuses(answer[-1])]
        if len(refusals) == len(replies):  # it answers, but cannot do what it is asked: READONLY, OOM, CLUSTERDOWN
            telemetry.STORE_ROUND_TRIPS.labels("refused").inc()
            self.breaker.failed(refusals[0])
        else:
            telemetry.STORE_ROUND_TRIPS.labels("ok").inc()
            self.breaker.succeeded()
        return replies

    async def _ask_loaded(self, batch: Sequence[_Question]) -> list[list[Any]]:
        """The replies to a batch; loads the script first where the server does not have it."""
        replies = await self._exchange_all(batch)
        missing = [index for index, answer in enumerate(replies) if any(isinstance(r, NoScriptError) for r in answer)]
        if missing:  # Redis was restarted, or its script cache flushed; these calls were not executed
            await self._exchange([script.LOAD])
            again = await self._exchange_all([batch[index] for index in missing])
            for index, answer in zip(missing, again, strict=True):
                replies[index] = answer
        return replies

    async def _exchange_all(self, batch: Sequence[_Question]) -> list[list[Any]]:
        sent: list[Command] = []
        for question in batch:
            for command in question.commands:
                if question.asking:
                    sent.append(("ASKING",))
                sent.append(command)
        replies = iter(await self._exchange(sent))
        answers = []
        for commands, asking in batch:
            answer = []
            for _ in commands:
                if asking:
                    next(replies)
                answer.append(next(replies))
            answers.append(answer)
        return answers

    async def _probe(self) -> None:
        """Raises when Redis is not well. Goes through the batcher: the connection carries one exchange at a time."""
        [reply] = await self._batcher.submit(_Question([script.probe(self._realm.tag())], asking=False))
        if isinstance(reply, Exception):
            raise reply

    async def _return(self) -> None:
        """The breaker's probe: who is well is paid before anybody is let through."""
        await self._probe()
        await self.settle()

    async def settle(self, mine: Callable[[int], bool] | None = None) -> None:
        """Charge what is owed, a batch at a time. Raises StoreUnavailableError; what was not charged is still owed.

        ``mine``: for which slots, if not those of the realm. A batch that got no answer may have been charged, and is
        charged again: too much is counted, never too little.
        """
        while charges := self._debts.take(BATCH, mine or self._realm.has):
            try:
                replies = await self._submit(_Question([script.command([charge]) for charge in charges], asking=False))
            except BaseException:
                self._debts.put_back(charges)
                raise
            telemetry.SETTLED.inc(len(charges))
            refused = [c for c, reply in zip(charges, replies, strict=True) if isinstance(reply, Exception)]
            if refused:  # the slot has moved, or it cannot write: somebody tries again, somewhere
                self._debts.put_back(refused)
                return

    async def close(self) -> None:
        """Let go of the server."""
        await self.breaker.close()
        await self._batcher.close()
        await self._exchange.close()


def _refuses(reply: Any) -> bool:
    return isinstance(reply, Exception) and not isinstance(reply, ELSEWHERE)
