"""Natural batching: what gathers while one round trip is under way goes together in the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

TURNS = 12
"""Turns of the event loop that a batch gathers for. A turn of an idle loop takes microseconds, so a lone call is not
held up; under load each turn may bring another call (grpc.aio accepts them one by one). Measured with 64 callers:
2.6 calls to a round trip instead of 1.1, and a tenth less CPU for a call."""

Request = TypeVar("Request")
Reply = TypeVar("Reply")


class _Waiting(NamedTuple, Generic[Request, Reply]):
    request: Request
    reply: asyncio.Future[Reply]
    due: float


class Batcher(Generic[Request, Reply]):
    """Sends requests in batches, one batch at a time. No timer: nothing waits for company that may not come.

    ``send(batch, due)`` answers every request, in order, with a reply or the exception that request deserves. It
    gives up at ``due`` (the event loop's clock), which is when the oldest request of the batch has waited
    ``deadline`` seconds. What has gathered behind a batch that fails fails with it, because the far side does not
    answer: so no request waits longer than ``deadline``.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Request], float], Awaitable[Sequence[Reply | Exception]]],
        deadline: float,
        largest: int,
    ) -> None:
        self._send, self._deadline, self._largest = send, deadline, largest
        self._waiting: deque[_Waiting[Request, Reply]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def submit(self, request: Request) -> Reply:
        """The reply to ``request``. Raises what ``send`` raised, or returned for it."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append(_Waiting(request, reply, loop.time() + self._deadline))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await reply

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._largest))]
                try:
                    replies = await self._send([each.request for each in batch], batch[0].due)
                except asyncio.CancelledError:
                    for each in batch:
                        each.reply.cancel()
                    raise
                except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to those who wait
                    self._settle([*batch, *self._waiting], [error] * (len(batch) + len(self._waiting)))
                    self._waiting.clear()
                else:
                    self._settle(batch, replies)
        finally:
            self._sender = None

    @staticmethod
    def _settle(batch: Sequence[_Waiting[Request, Reply]], replies: Sequence[Reply | Exception]) -> None:
        for each, reply in zip(batch, replies, strict=True):
            if each.reply.done():  # its caller gave up
                continue
            if isinstance(reply, Exception):
                each.reply.set_exception(reply)
            else:
                each.reply.set_result(reply)

    async def close(self) -> None:
        """Give up on whatever is under way; those who wait are cancelled."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        for each in self._waiting:
            each.reply.cancel()
        self._waiting.clear()
