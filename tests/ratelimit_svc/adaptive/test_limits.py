"""A limiter whose limit breathes: from what Envoy says of streams that ended to the number that is in force."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from ratelimit_svc import rules
from ratelimit_svc.adaptive.law import Figures, Law
from ratelimit_svc.adaptive.limits import AdaptiveLimits, exchanging, in_force, law_of, stream
from ratelimit_svc.adaptive.sharing import Levels
from ratelimit_svc.client_headers import headers as headers_of
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import LIMIT_KEY, REVISION_KEY, STATUS_KEY, TIMES_KEY, Adaptive, Limit, Policy, Rate
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import StoreUnavailableError, Terms
from tests.ratelimit_svc.adaptive.test_sharing import INTERVAL_MS
from tests.ratelimit_svc.conftest import Server, a_limit

ADAPTIVE = Adaptive(least_percent=10, target_latency_ms=200)
LAW = law_of(ADAPTIVE)
GATEWAY = uuid.uuid4().hex


def policy() -> Policy:
    limits = {"breathing": a_limit(20, 1000, adaptive=ADAPTIVE), "fixed": a_limit(20, 1000)}
    return Policy(revision="r1", gateway=GATEWAY, limits=limits)


def asked(limit: str, user: str = "u") -> Descriptor:
    return Descriptor(((LIMIT_KEY, limit), (REVISION_KEY, "r1"), ("user", user)), 1)


def ended(limit: str, status: str = "200", took: str = "20") -> Descriptor:
    entries = ((STATUS_KEY, status), ("response.bytes", "0"), (TIMES_KEY, f"0,{took},{took}"))
    return Descriptor((*asked(limit).entries, *entries), 1)


class Away:
    """No Redis: each process goes by its own figures, which makes a level that is decided at once."""

    async def ask(self, commands: Any, key: str) -> Any:
        raise StoreUnavailableError("away")


@pytest.fixture
def breathing(book: Callable[[Policy], Any]) -> tuple[Limiter, AdaptiveLimits]:
    policies = book(policy())
    adaptive = AdaptiveLimits(policies, Levels(Away()))
    return Limiter(policies, LocalStore(100, lambda: 0), LocalStore(1), adaptive), adaptive


async def allows(limiter: Limiter, limit: str, user: str) -> int:
    """How many of 30 calls of a user get in, who has not called before."""
    return sum([(await limiter.decide(GATEWAY, [asked(limit, user)])).allowed for _ in range(30)])


async def test_a_failing_upstream_lowers_its_limit_for_everybody_and_no_other(
    breathing: tuple[Limiter, AdaptiveLimits],
) -> None:
    limiter, adaptive = breathing
    assert (await allows(limiter, "breathing", "a"), await allows(limiter, "fixed", "a")) == (20, 20)
    for _ in range(20):
        await limiter.decide(GATEWAY, [ended("breathing", "503"), ended("fixed", "503")])
    await adaptive.exchange()
    decision = await limiter.decide(GATEWAY, [asked("breathing", "b")])
    assert dict(headers_of(decision))["x-ratelimit-limit"] == "12"
    assert (await allows(limiter, "breathing", "c"), await allows(limiter, "fixed", "c")) == (12, 20)


async def test_the_level_and_why_it_moved_are_metrics(breathing: tuple[Limiter, AdaptiveLimits]) -> None:
    limiter, adaptive = breathing
    reason = {"limit": "breathing", "reason": "errors"}
    before = REGISTRY.get_sample_value("ratelimit_adaptive_steps_total", reason) or 0
    for _ in range(20):
        await limiter.decide(GATEWAY, [ended("breathing", "503")])
    await adaptive.exchange()
    assert REGISTRY.get_sample_value("ratelimit_adaptive_level", {"limit": "breathing"}) == pytest.approx(0.6)
    assert REGISTRY.get_sample_value("ratelimit_adaptive_steps_total", reason) == before + 1
    assert REGISTRY.get_sample_value("ratelimit_adaptive_alone") == 1


async def test_a_limit_that_is_met_rises_again_when_all_is_well(breathing: tuple[Limiter, AdaptiveLimits]) -> None:
    limiter, adaptive = breathing
    for _ in range(20):
        await limiter.decide(GATEWAY, [ended("breathing", "503")])
    await adaptive.exchange()
    await adaptive.exchange()  # what ended here was admitted before the cut
    levels = []
    for second in range(30):
        await allows(limiter, "breathing", f"user-{second}")
        for _ in range(20):
            await limiter.decide(GATEWAY, [ended("breathing")])
        await adaptive.exchange()
        levels.append(await allows(limiter, "breathing", f"other-{second}"))
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (12, 20)


async def test_what_is_refused_or_cannot_be_read_says_nothing_about_an_upstream(
    breathing: tuple[Limiter, AdaptiveLimits],
) -> None:
    limiter, adaptive = breathing
    for _ in range(50):
        await limiter.decide(GATEWAY, [ended("breathing", "429", "9000"), ended("breathing", "503", "%DURATION%")])
    await adaptive.exchange()
    assert await allows(limiter, "breathing", "a") == 20


async def test_a_real_redis_carries_the_level_from_one_replica_to_the_other(
    book: Callable[[Policy], Any], server: Server, open_store: Callable[..., Awaitable[Any]]
) -> None:
    policies, store = book(policy()), await open_store(server.url)
    one, other = (AdaptiveLimits(policies, Levels(store, INTERVAL_MS)) for _ in range(2))
    limiter = Limiter(policies, store, LocalStore(1), one)
    for _ in range(20):
        await limiter.decide(GATEWAY, [ended("breathing", took="5000")])

    async def ask(commands: Any, key: str) -> Any:
        return await store.ask(commands, key)

    async with exchanging(one):  # tells at once
        while one._levels._seen:
            await ask([("PING",)], "any")
    while in_force(Terms("sliding_window", 20, 1000), other._levels.level("breathing", LAW)).requests == 20:
        await ask([("PING",)], "any")
        await other.exchange()
    await one.exchange()
    assert await allows(limiter, "breathing", "u") == 12
    assert one._levels.level("breathing", LAW) == other._levels.level("breathing", LAW)


@given(st.integers(0, 2**53), st.none() | st.integers(1, 2**53), st.floats(0.01, 1))
def test_never_more_than_the_whole_limit_is_in_force_and_never_nothing_of_something(
    requests: int, burst: int | None, level: float
) -> None:
    terms = in_force(Terms("sliding_window", requests, 1000, burst), level)
    assert min(1, requests) <= terms.requests <= requests
    assert (terms.burst is None) == (burst is None)
    assert terms.burst is None or (burst is not None and 1 <= terms.burst <= burst)


@pytest.mark.parametrize(
    ("status", "times", "figures"),
    [
        ("200", "0,200,900", Figures(ended=1, duration_ms=900)),
        ("200", "0,201,201", Figures(ended=1, slow=1, duration_ms=201)),
        ("200", "5000,5200,5300", Figures(ended=1, duration_ms=5300)),  # sent slowly
        ("200", "5000,5201,5300", Figures(ended=1, slow=1, duration_ms=5300)),
        ("200", ",300,400", Figures(ended=1, duration_ms=400)),  # was answered before all was sent
        ("101", ",10,3600000", Figures(ended=1, duration_ms=3600000)),
        ("503", "0,,0", Figures(ended=1, errors=1)),
        ("504", "0,,1000", Figures(ended=1, errors=1, slow=1, duration_ms=1000)),
        ("0", "0,,500", Figures(ended=1, slow=1, duration_ms=500)),  # waited for nothing
        ("0", ",,500", Figures(ended=1, duration_ms=500)),  # never said all
        ("0", "400,,500", Figures(ended=1, duration_ms=500)),
        ("-", "0,1,1", Figures(ended=1, duration_ms=1)),
        ("5", "0,1,1", Figures(ended=1, duration_ms=1)),
        ("200", "900,1,1", Figures(ended=1, duration_ms=1)),
        ("429", "0,1,1", None),
        ("200", "", None),
        ("200", "-", None),
        ("200", "0,1,", None),
        ("200", "0,1,1.5", None),
        ("200", "0,1,٣", None),
        ("200", "0,1," + "9" * 16, None),
        ("200", "0,1,1,1", None),
    ],
)
def test_a_stream_is_read_from_its_descriptor(status: str, times: str, figures: Figures | None) -> None:
    assert stream({STATUS_KEY: status, TIMES_KEY: times}, LAW) == figures


def test_without_an_adaptive_limit_nothing_is_held_back_and_redis_is_left_alone(book: Callable[[Policy], Any]) -> None:
    policies = book(Policy(revision="r1", gateway=GATEWAY, limits={"fixed": a_limit(20, 1000)}))
    adaptive = AdaptiveLimits(policies, Levels(Away()))
    asks = rules.resolve(GATEWAY, [asked("fixed")], policies)
    assert adaptive.hold_back(asks) == asks
    assert adaptive.laws == {}


def test_a_calendar_quota_is_not_adaptive() -> None:
    rate = Rate(requests=1, window_ms=86_400_000, period="day")
    with pytest.raises(ValueError, match="is adaptive"):
        Limit(algorithm="quota", rates=(rate,), per=("user",), adaptive=ADAPTIVE)
    assert Law(floor=0.1, target_ms=200) == LAW
