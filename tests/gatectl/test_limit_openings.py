"""What a change of a limit lets through, and what only narrows it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatectl.changes.effects import effects
from gatectl.changes.limits import limit_openings
from gatectl.changes.resources import contents
from ratelimit_svc.policy import Limit, Policy, Rate
from tests.gatectl.specs import bundle

NOWHERE = SimpleNamespace(routes={})
ANOTHER_WAY = "it counts in another way, and starts from zero"
MORE = "it admits more than before, at once or over time"


def policy(algorithm: str, requests: int, window_ms: int, burst: int | None = None) -> Policy:
    rate = Rate(requests=requests, window_ms=window_ms, burst=burst)
    return Policy(revision="r", gateway="g", limits={"l": Limit(algorithm=algorithm, rates=(rate,), per=("user",))})


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (("fixed_window", 100, 60_000), ("concurrency", 5, 60_000), ANOTHER_WAY),
        (("concurrency", 5, 60_000), ("fixed_window", 5, 60_000), ANOTHER_WAY),
        (("fixed_window", 100, 60_000), ("token_bucket", 100, 60_000), None),
        (("leaky_bucket", 5000, 1000, 1), ("leaky_bucket", 5000, 1000), MORE),
        (("leaky_bucket", 500, 1000, 1), ("leaky_bucket", 500, 1000), None),
        (("leaky_bucket", 5000, 1000), ("leaky_bucket", 5000, 1000, 5), None),
    ],
)
def test_a_limit_that_holds_back_less_is_told(was, now, told):
    opened = list(limit_openings(policy(*was), policy(*now), NOWHERE, NOWHERE))
    assert opened == ([('rate limit "l"', told)] if told else [])


QUOTA: dict[str, Any] = {
    "algorithm": "quota",
    "rates": ({"requests": 9, "window_ms": 31 * 86_400_000, "period": "month"},),
}
NETWORKS: dict[str, Any] = {"client_address": ("10.0.0.0/9", "2001:db8::/32")}
WIDER: dict[str, Any] = {"client_address": ("2001:db8::/32", "10.0.0.0/8")}
FEWER, EXEMPT = "it holds fewer callers", "it exempts more callers"


def of(settings: dict[str, Any], limit: dict[str, Any] | None) -> Policy:
    minute = {"rates": ({"requests": 9, "window_ms": 60_000},), "per": ("user",)}
    found = {} if limit is None else {"l": {**minute, **limit}}
    return Policy.model_validate({"revision": "r", "gateway": "g", "limits": found, **settings})


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ({}, {"when": {"plan": ("free",)}}, FEWER),
        ({"when": {"plan": ("free",)}}, {"when": {"plan": ("free",), "role": ("a",)}}, FEWER),
        ({"when": {"plan": ("free",)}}, {"when": {"plan": ("free", "trial")}}, None),
        ({"when": {"plan": ("free",)}}, {}, None),
        ({"when": NETWORKS}, {"when": WIDER}, None),
        ({"when": WIDER}, {"when": NETWORKS}, FEWER),
        ({"exempt": WIDER}, {"exempt": NETWORKS}, None),
        ({"exempt": NETWORKS}, {"exempt": WIDER}, EXEMPT),
        ({"exempt": NETWORKS}, {"exempt": {"client_address": ("::/0",)}}, EXEMPT),
        ({"per": ("user", "route")}, {"per": ("route", "user")}, None),
        ({"per": ("user",)}, {"per": ("user", "route")}, "it counts by something else, and starts from zero"),
        (QUOTA, QUOTA | {"time_zone": "Asia/Tokyo"}, "its days begin at another time, and it may start from zero"),
        (
            QUOTA,
            QUOTA | {"rates": ({"requests": 2, "window_ms": 7 * 86_400_000, "period": "week"},)},
            "its periods are others, and start from zero",
        ),
        (QUOTA, QUOTA | {"rates": (*QUOTA["rates"], {"requests": 1, "window_ms": 86_400_000, "period": "day"})}, None),
        ({"enforce": False}, {"enforce": False, "rates": ()}, None),
        ({"enforce": False}, None, None),
        ({}, None, "it goes"),
    ],
)
def test_callers_and_counters_that_a_limit_loses_are_told_and_no_others(
    was: dict[str, Any], now: dict[str, Any] | None, told: str | None
) -> None:
    opened = list(limit_openings(of({}, was), of({}, now), NOWHERE, NOWHERE))
    assert opened == ([('rate limit "l"', told)] if told else [])


@pytest.mark.parametrize(
    ("now", "limit", "told"),
    [
        ({"gateway": "h"}, {}, "the gateway is called otherwise, and every counter starts from zero"),
        ({"ipv4_prefix": 32}, {}, "addresses that were counted as one caller are several"),
        ({"ipv4_prefix": 32}, {"per": ("role",)}, None),
        ({"ipv4_prefix": 16}, {}, None),
        ({"on_store_failure": "allow"}, {}, "requests pass with local counters while Redis is away"),
        ({"on_store_failure": "allow", "ipv4_prefix": 32, "gateway": "h"}, {"enforce": False}, None),
        ({"on_store_failure": "allow", "ipv4_prefix": 32, "gateway": "h"}, None, None),
    ],
)
def test_what_holds_for_all_limits_opens_something_only_where_there_are_some(
    now: dict[str, Any], limit: dict[str, Any] | None, told: str | None
) -> None:
    before = {"on_store_failure": "deny", "ipv4_prefix": 24}
    opened = list(limit_openings(of(before, limit), of(before | now, limit), NOWHERE, NOWHERE))
    assert opened == ([("rate limiting", told)] if told else [])


def test_what_passes_while_the_limiter_gives_no_answer_is_told_when_it_grows(tmp_path: Path) -> None:
    def opened(*rates: str) -> list[str]:
        was, now = (contents(bundle(tmp_path, rate_limiting={"unjudged_per_address": rate})) for rate in rates)
        return [one.message for one in effects(was, now) if one.kind == "opens-access"]

    assert opened("20/second", "21/second") == [
        "an address may send more than before while the limiter gives no answer"
    ]
    assert opened("20/second", "19/second") == []
