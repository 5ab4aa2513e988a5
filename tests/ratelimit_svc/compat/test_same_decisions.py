"""Whatever the files and the calls are, the answer is the reference's: over the limit or not, remaining, reset."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ratelimit_svc.compat import engine, files
from ratelimit_svc.compat.config import Rate
from ratelimit_svc.compat.engine import Asked
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.redis import open_store
from ratelimit_svc.store import Charge, Store, Verdict
from serving.redis_location import parse
from tests.ratelimit_svc.compat.documents import UNITS, descriptors
from tests.ratelimit_svc.compat.reference import Call, Reference
from tests.ratelimit_svc.conftest import Server

numbers = itertools.count()


entries = st.tuples(st.sampled_from(["a", "b", "ab"]), st.sampled_from(["x", "xy", "xzy", "y", "z", "xb"]))
overrides = st.none() | st.tuples(st.integers(0, 3), st.sampled_from(UNITS))
asked = st.tuples(
    st.lists(entries, max_size=3),
    st.none() | st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1]).flatmap(lambda some: overrides if some else st.none()),
)
calls = st.builds(Call, st.lists(asked, min_size=1, max_size=4), st.integers(0, 3))


class Watched:
    """A store whose clock is seen."""

    def __init__(self, store: Store) -> None:
        self._store, self.now_ms = store, 0

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        verdict = await self._store.decide(charges)
        self.now_ms = verdict.now_ms
        return verdict


async def decide(config: Any, domain: str, call: Call, store: Store) -> tuple[bool, list[tuple[Any, ...]]]:
    """The answer of ours in the words of the reference."""
    counted = engine.select(
        config,
        domain,
        [
            Asked(tuple(them), max(1, call.hits_addend) if addend is None else addend, override and Rate(*override))
            for them, addend, override in call.descriptors
        ],
    )
    charges = engine.charges(counted)
    verdict = await store.decide(charges) if charges else Verdict(allowed=True, now_ms=0, readings=())
    decision = engine.conclude(counted, charges, verdict)
    return not decision.allowed, [
        (False, None, 0, 0)
        if one is None
        else (one.over, one.rule.rate and (one.rule.rate.requests, one.rule.rate.unit), one.remaining, one.reset_s)
        for one in decision.statuses
    ]


async def compare(documents: list[dict[str, Any]], asks: Sequence[tuple[Call, int]], store: Store) -> None:
    """``asks`` are calls, and what is added to a clock that is ours."""
    domain = f"domain{next(numbers)}"
    config = files.load({"a.yaml": yaml.safe_dump({"domain": domain, "descriptors": documents})}).config
    reference, watched = Reference(domain, documents), Watched(store)
    for call, step in asks:
        if isinstance(store, LocalStore):
            CLOCK[0] += step
        told = await decide(config, domain, call, watched)
        assert told == reference.should_rate_limit(call, watched.now_ms // 1000), (documents, call)


CLOCK = [1_700_000_000_123]
steps = st.sampled_from([0, 0, 1, 999, 1000, 61_000, 3_600_000, 86_400_000, 40 * 86_400_000])
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
TWO = Call([([("a", "x")], None, None), ([("a", "x")], 2, None)])
UNLIMITED = {"unlimited": True, "name": "n1"}
REPLACES = {"unit": "day", "requests_per_unit": 1, "replaces": [{"name": "n1"}]}
REPLACED = [{"key": "a", "rate_limit": UNLIMITED}, {"key": "b", "rate_limit": REPLACES}]
BOTH = Call([([("a", "x")], None, None), ([("b", "x")], None, None)])
DAILY = {"key": "b", "rate_limit": {"unit": "day", "requests_per_unit": 1}}
MIXED = Call([([("b", "x")], None, override) for override in (None, (4, "day"), None, (3, "day"))])
SHARED = [{"key": "a", "value": "x*", "share_threshold": True, "descriptors": [DAILY]}]
BELOW = [Call([([("a", value), ("b", "y")], None, None)]) for value in ("x", "xy")]
LOOK = Call([([("a", "x")], 0, None)])


@settings(SETTINGS, max_examples=120)
@given(documents=descriptors(), asks=st.lists(st.tuples(calls, steps), min_size=1, max_size=12))
@example([{"key": "a", "rate_limit": {"unit": "hour", "requests_per_unit": 3}}], [(TWO, 0), (LOOK, 0), (TWO, 0)])
@example([DAILY], [(MIXED, 0)] * 3)
@example(REPLACED, [(BOTH, 0)])
@example(SHARED, [(one, 0) for one in BELOW])
def test_with_local_counters_and_any_clock(documents: list[dict[str, Any]], asks: list[tuple[Call, int]]) -> None:
    asyncio.run(compare(documents, asks, LocalStore(10_000, lambda: CLOCK[0])))


@pytest.fixture
def runner(server: Server) -> Iterator[tuple[asyncio.Runner, Store]]:
    with asyncio.Runner() as runner:
        store = open_store(parse(server.url), 5.0, Fallback(LocalStore(1), 1, lambda: 1))
        runner.run(store.start())
        yield runner, store
        runner.run(store.close())


@settings(SETTINGS, max_examples=50)
@given(documents=descriptors(), asks=st.lists(st.tuples(calls, st.just(0)), min_size=1, max_size=12))
def test_with_redis_and_its_clock(
    runner: tuple[asyncio.Runner, Store], documents: list[dict[str, Any]], asks: list[tuple[Call, int]]
) -> None:
    runner[0].run(compare(documents, asks, runner[1]))
