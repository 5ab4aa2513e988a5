"""What is counted of limits: by the limit's name, and by callers only where that was asked for."""

import itertools

import pytest
from prometheus_client import REGISTRY

from ratelimit_svc.limit_metrics import MOST_VALUES, OTHER
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Limit, Policy, ResponseCost
from ratelimit_svc.rules import Descriptor
from tests.ratelimit_svc.conftest import a_limit
from tests.ratelimit_svc.test_rules import Loaded

_numbers = itertools.count()


async def ask(limit: Limit, calls: int, *more: tuple[str, str], user: str = "user:a") -> str:
    """The name of a limit that was asked about so often."""
    name = f"m{next(_numbers)}"
    store = LocalStore(1000, lambda: 0)
    limiter = Limiter(Loaded(Policy(revision="r1", gateway="g", limits={name: limit})), store, store)
    for number in range(calls):
        entries = (("limit", name), ("revision", "r1"), ("user", user.format(number)), *more)
        await limiter.decide("g", [Descriptor(entries, 0 if more else 1)])
    return name


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


@pytest.mark.parametrize(
    ("limit", "more", "outcomes"),
    [
        (a_limit(3, 1000), (), {"ok": 3, "over_limit": 2}),
        (a_limit(3, 1000, enforce=False), (), {"shadow_ok": 3, "shadow_over_limit": 2}),
        (
            a_limit(3, 1000, response_cost=ResponseCost(status={"5xx": 2})),
            (("response.status", "503"),),
            {"stream_ended": 5},
        ),
    ],
)
async def test_a_decision_is_counted_by_limit_and_outcome(
    limit: Limit, more: tuple[tuple[str, str], ...], outcomes: dict[str, int]
) -> None:
    name = await ask(limit, 5, *more)
    found = ("ok", "over_limit", "shadow_ok", "shadow_over_limit", "stream_ended")
    told = {outcome: counted("ratelimit_decisions_total", limit=name, outcome=outcome) for outcome in found}
    assert {outcome: value for outcome, value in told.items() if value} == outcomes


async def test_calls_that_leave_a_fifth_or_less_are_near_the_limit() -> None:
    tight, wide = a_limit(10, 1000).rates[0], a_limit(1000, 60_000).rates[0]
    for rates in ((tight,), (wide, tight)):
        name = await ask(a_limit(10, 1000).model_copy(update={"rates": rates}), 12)
        assert counted("ratelimit_near_limit_total", limit=name) == 3


async def test_callers_are_named_only_by_a_detailed_limit_and_only_so_many_of_them() -> None:
    plain = await ask(a_limit(10, 1000), 3, user="user:{}")
    name = await ask(a_limit(10, 1000, detailed=True), MOST_VALUES + 7, user="user:{}")
    samples = [
        sample.labels for metric in REGISTRY.collect() for sample in metric.samples
        if sample.name == "ratelimit_detailed_total" and sample.labels["limit"] in {plain, name}
    ]  # fmt: skip
    assert {labels["limit"] for labels in samples} == {name}
    assert len(samples) == MOST_VALUES + 1
    assert counted("ratelimit_detailed_total", limit=name, counted_by="user=0", outcome="ok") == 1
    assert counted("ratelimit_detailed_total", limit=name, counted_by=OTHER, outcome="ok") == 7
