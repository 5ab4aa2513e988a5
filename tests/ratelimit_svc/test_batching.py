import asyncio

import pytest

from ratelimit_svc.batching import TURNS, Batcher


class FarSide:
    """Answers each request with its double, once released."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.called, self.release = asyncio.Event(), asyncio.Event()

    async def send(self, batch, due):
        self.batches.append(list(batch))
        self.called.set()
        async with asyncio.timeout_at(due):
            await self.release.wait()
        return [ValueError("odd") if number % 2 else number * 2 for number in batch]


@pytest.fixture
async def far_side():
    return FarSide()


async def test_what_gathers_during_one_round_trip_goes_in_the_next(far_side):
    batcher = Batcher(far_side.send, 5, largest=64)
    first = asyncio.create_task(batcher.submit(0))
    await far_side.called.wait()
    rest = [asyncio.create_task(batcher.submit(number)) for number in range(2, 42, 2)]
    await asyncio.sleep(0)
    far_side.release.set()
    assert await asyncio.gather(first, *rest) == [0, *range(4, 84, 4)]
    assert far_side.batches == [[0], list(range(2, 42, 2))]


async def test_a_lone_request_is_sent_after_a_fixed_number_of_turns_of_the_loop(far_side):
    task = asyncio.create_task(Batcher(far_side.send, 5, largest=64).submit(0))
    for _ in range(TURNS + 3):
        await asyncio.sleep(0)
    assert far_side.batches == [[0]]
    far_side.release.set()
    assert await task == 0


async def test_a_batch_is_never_larger_than_allowed(far_side):
    far_side.release.set()
    batcher = Batcher(far_side.send, 5, largest=8)
    assert await asyncio.gather(*(batcher.submit(0) for _ in range(20))) == [0] * 20
    assert [len(batch) for batch in far_side.batches] == [8, 8, 4]


async def test_an_error_reaches_only_the_request_it_belongs_to(far_side):
    far_side.release.set()
    batcher = Batcher(far_side.send, 5, largest=8)
    replies = await asyncio.gather(*(batcher.submit(number) for number in range(3)), return_exceptions=True)
    assert [replies[0], replies[2]] == [0, 4]
    assert isinstance(replies[1], ValueError)


async def test_nobody_waits_longer_than_the_deadline_not_even_behind_another_batch(far_side):
    loop = asyncio.get_running_loop()
    batcher = Batcher(far_side.send, 0.05, largest=8)
    started = loop.time()
    first = asyncio.create_task(batcher.submit(0))
    await far_side.called.wait()
    replies = await asyncio.gather(first, batcher.submit(2), batcher.submit(4), return_exceptions=True)
    assert all(isinstance(reply, TimeoutError) for reply in replies)
    assert loop.time() - started < 0.09
    far_side.release.set()
    assert await batcher.submit(6) == 12


async def test_a_caller_that_gives_up_disturbs_nobody(far_side):
    batcher = Batcher(far_side.send, 5, largest=8)
    leaver, stayer = asyncio.create_task(batcher.submit(2)), asyncio.create_task(batcher.submit(4))
    await far_side.called.wait()
    leaver.cancel()
    far_side.release.set()
    assert await stayer == 8


async def test_closing_cancels_those_who_wait(far_side):
    batcher = Batcher(far_side.send, 5, largest=1)
    tasks = [asyncio.create_task(batcher.submit(number)) for number in (2, 4)]
    await far_side.called.wait()
    await batcher.close()
    assert all(
        isinstance(reply, asyncio.CancelledError) for reply in await asyncio.gather(*tasks, return_exceptions=True)
    )
