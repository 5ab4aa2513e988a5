"""The limiter of a rehearsal keeps what was asked of a request, and not what is told when its stream has ended."""

from collections.abc import Callable
from typing import Any

import pytest

from gatectl.rehearsal.services import Counters, WatchedLimiter
from ratelimit_svc.policy import ENDED, Adaptive, Policy
from ratelimit_svc.rules import Descriptor, NoExceptions
from tests.ratelimit_svc.conftest import a_limit, book

__all__ = ["book"]
ADAPTIVE = Adaptive(least_percent=10, target_latency_ms=200)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the next was announced"])
async def test_the_end_of_a_stream_is_no_request(book: Callable[[Policy], Any], late: bool) -> None:
    policies = book(Policy(revision="r", gateway="g", limits={"a": a_limit(5, 1000, adaptive=ADAPTIVE)}))
    limiter = WatchedLimiter(policies, Counters(), NoExceptions())
    asked = Descriptor((("limit", "a"), ("revision", "r"), ("user", "u")), 1)
    ended = Descriptor((*asked.entries, *((key, "200") for key in ENDED)), 1)
    decision = await limiter.decide("g", [asked])
    if late:
        limiter.forget()
    await limiter.decide("g", [ended])
    assert (limiter.asked, limiter.decision) == (((), None) if late else ((asked,), decision))
